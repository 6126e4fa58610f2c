// Where the server wants a token: trades it for a session cookie. The token is
// kept nowhere on this page.

import { useState } from "preact/hooks";
import { signIn } from "./api";
import { explain, watcher } from "./world";

export function SignIn() {
  const [error, setError] = useState("");
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
