import { render } from "preact";
import { Console } from "./Console";
import { begin, watchLogin } from "./login";
import "./style.css";

const place = document.getElementById("console");
if (place === null) throw new Error("the page has no place for the console");
watchLogin();
render(<Console />, place);
void begin();
