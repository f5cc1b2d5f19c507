// What the live parts need besides htmx: whatever people have opened or typed stays as it is.
"use strict";

Idiomorph.defaults.ignoreActiveValue = true;
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => {
  const isOpened = name === "open" && node.localName === "details";
  const isFilledIn = ["value", "selected", "checked"].includes(name) && node.matches("input:not([type=hidden]), option");
  return !(isOpened || isFilledIn);
};

// A page that nobody sees does not ask for news, nor one whose subject is gone.
let gone = false;
const isPoll = ({ verb, triggeringEvent }) => verb === "get" && triggeringEvent === undefined;
document.addEventListener("htmx:beforeRequest", (event) => {
  if ((gone || document.hidden) && isPoll(event.detail.requestConfig)) {
    event.preventDefault();
  }
});

// What gets no news says so: operators must not take old figures for new ones.
function tell(words) {
  const stale = document.getElementById("stale");
  stale.hidden = !words;
  if (stale.textContent !== words) stale.textContent = words;
}
const silent = ({ detail }) => {
  if (isPoll(detail.requestConfig)) tell("The service does not answer. What stands here may be old; trying again …");
};
document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (isPoll(detail)) detail.timeout = 15_000;
});
document.addEventListener("htmx:sendError", silent);
document.addEventListener("htmx:timeout", silent);
document.addEventListener("htmx:afterRequest", ({ detail: { requestConfig, xhr } }) => {
  if (!isPoll(requestConfig) || xhr.status === 0 || xhr.status === 401) return;
  gone = xhr.status === 404;
  tell(
    gone ? "This is not there any more: it was deleted. Below is what was seen of it last."
    : xhr.status >= 400 ? `The service answers with ${xhr.status}. What stands here may be old; trying again …`
    : "");
});
