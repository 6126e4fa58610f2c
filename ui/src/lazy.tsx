// A view whose code is fetched when it is first needed.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let got: ComponentType<P> | undefined;
  return (props: P) => {
    const [, draw] = useState(0);
    const [failed, fail] = useState(false);
    useEffect(() => {
      if (got) return;
      let gone = false;
      load().then(
        (view) => {
          got = view;
          if (!gone) draw(1);
        },
        () => gone || fail(true),
      );
      return () => void (gone = true);
    }, []);
    if (got) {
      const View = got;
      return <View {...props} />;
    }
    return failed ? <p class="banner warn">A part of the page could not be fetched; the server may have been updated. Load the page again.</p> : <div class="ghost charts" />;
  };
}
