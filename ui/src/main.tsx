import { render } from "preact";
import { App } from "./app";
import { listen } from "./path";
import "./style.css";
import { watcher } from "./world";

const root = document.getElementById("app");
if (root) {
  listen();
  watcher.start();
  render(<App />, root);
}
