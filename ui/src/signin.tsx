// Where the server wants a token: trades it for a session cookie. The token is
// kept nowhere on this page.

import { useState } from "preact/hooks";
import { signIn, signOut } from "./api";
import { explain, useWorld, watcher } from "./world";

export function SignIn() {
  const locked = useWorld((w) => w.locked);
  const [refused, setError] = useState("");
  const error = refused || (locked ?? "");
  const [busy, setBusy] = useState(false);
  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    const field = new FormData(e.currentTarget as HTMLFormElement).get("token");
    setBusy(true);
    try {
      await signIn(String(field ?? "").trim());
      watcher.again();
    } catch (err) {
      setError(explain(err));
    }
    setBusy(false);
  };
  return (
    <form class="signin" onSubmit={submit}>
      <h1>Sign in</h1>
      <p>
        This server asks for a token. Its config lists them under <code>server.tokens</code>; one with scope <code>read</code> is enough to look.
      </p>
      <label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="current-password" required aria-invalid={error !== ""} aria-describedby={error ? "token-error" : undefined} />
      {error && (
        <p id="token-error" class="wrong" role="alert">
          Not accepted: {error}.
        </p>
      )}
      <button type="submit" disabled={busy}>
        Sign in
      </button>
    </form>
  );
}

/** SignOut ends the session where there is one. */
export function SignOut() {
  const session = useWorld((w) => w.session);
  const [error, setError] = useState("");
  if (!session?.authenticated || session.open) return null;
  const leave = () =>
    signOut().then(
      () => watcher.left(),
      (err: unknown) => setError(explain(err)),
    );
  return (
    <>
      <button type="button" class="tool" onClick={leave} title={session.name ? `Signed in with token ${session.name}` : undefined}>
        Sign out
      </button>
      {error && (
        <span class="wrong" role="alert">
          Still signed in: {error}.
        </span>
      )}
    </>
  );
}
