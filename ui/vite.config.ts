import { defineConfig } from "vite";

// The API that `npm run dev` talks to.
const api = process.env.BELLWETHER_URL ?? "http://127.0.0.1:8780";

export default defineConfig({
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // data: URLs are not in the content security policy
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: { proxy: { "/v1": api } },
});
