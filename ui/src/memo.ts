// Draw again only when a prop changed. Preact keeps its memo in the compat
// layer, which this page needs nothing else of.

import { type ComponentType, type FunctionComponent, Component, h } from "preact";

export function memo<P extends object>(view: FunctionComponent<P>): ComponentType<P> {
  return class extends Component<P> {
    static displayName = view.name;
    override shouldComponentUpdate(next: P): boolean {
      const a = this.props as Record<string, unknown>;
      const b = next as Record<string, unknown>;
      for (const k in a) if (!Object.is(a[k], b[k])) return true;
      for (const k in b) if (!(k in a)) return true;
      return false;
    }
    render() {
      return h(view as FunctionComponent<object>, this.props as object);
    }
  };
}
