import { render } from "preact";
import { Console } from "./Console";
import { begin } from "./login";
import "./style.css";

const place = document.getElementById("console");
if (place === null) throw new Error("the page has no place for the console");
render(<Console />, place);
void begin();
