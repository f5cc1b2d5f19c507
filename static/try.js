// Counts the seconds while an order is under way, says what has become of it, and copies recipes.
(() => {
  "use strict";
  const [form, button, seconds, task, told, tried] =
    [".try", "#order", "#seconds", "#task", "#told", "#tried"].map((each) => document.querySelector(each));
  let clock;

  document.body.addEventListener("htmx:beforeRequest", () => {
    const began = performance.now();
    const tell = () => { seconds.textContent = `${Math.floor((performance.now() - began) / 1000)} s`; };
    tell();
    clock = setInterval(tell, 1000);
    told.textContent = task.textContent;
    button.setAttribute("aria-disabled", "true");  // `disabled` would take the focus away
  });
  document.body.addEventListener("htmx:afterRequest", () => {
    clearInterval(clock);
    button.removeAttribute("aria-disabled");
  });

  // After a login in another tab the form's token is the former session's; the refusal brings the new one.
  let isRenewed = false;
  function renew(page) {
    const token = page.querySelector("main [name=csrf_token]");
    if (!token || isRenewed) return false;
    isRenewed = true;
    form.elements.csrf_token.value = token.value;
    setTimeout(() => form.requestSubmit());
    return true;
  }

  // An alert, which says what went wrong, is read out by itself.
  function settled() {
    isRenewed = false;
    told.textContent = tried.querySelector("[role=alert]") ? "" : "Described.";
  }

  function fail(words) {
    const note = document.createElement("p");
    note.className = "note bad";
    note.setAttribute("role", "alert");
    note.textContent = words;
    tried.replaceChildren(note);
    settled();
  }
  document.body.addEventListener("htmx:responseError", ({ detail: { xhr } }) => {
    const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
    if (renew(page)) return;
    const reason = page.querySelector("main .reason")?.textContent;
    fail(reason ?? `The service failed with HTTP ${xhr.status}. Its log has the reason.`);
  });
  document.body.addEventListener("htmx:sendError", () =>
    fail("No answer came. Order it again: if it was described meanwhile, you get that answer, and it is not paid twice."));

  const showButtons = () => tried.querySelectorAll("[data-copy]").forEach((button) => { button.hidden = false; });
  showButtons();
  document.body.addEventListener("htmx:afterSwap", () => {
    showButtons();
    settled();
  });

  // Browsers keep the clipboard from pages that came over plain HTTP from elsewhere.
  async function copied(text, shown) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      getSelection().selectAllChildren(shown);
      return document.execCommand("copy");
    }
  }
  tried.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-copy]");
    if (!button) return;
    const shown = document.getElementById(button.dataset.copy);
    button.textContent = (await copied(shown.textContent, shown)) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
})();
