// Follows a conversation: pieces of text, whole entries, proposals and what is going on. The page is complete without this.
"use strict";
const main = document.querySelector("main.chat");
const message = document.getElementById("message");

if (message) {
  message.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (message.value.trim()) message.form.requestSubmit();
    }
  });
}

if (main) {
  const log = document.getElementById("log");
  const bar = document.getElementById("bar");
  const say = document.getElementById("say");
  const atEnd = () => innerHeight + scrollY >= document.body.scrollHeight - 120;
  const keep = (change) => {
    const follow = atEnd();
    change();
    if (follow) scrollTo(0, document.body.scrollHeight);
  };
  const put = (id, html) => {
    const old = document.getElementById(id);
    // What a person is typing into a proposal stays.
    if (old && old.contains(document.activeElement) && old.querySelector("form")) return;
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const fresh = holder.content.firstElementChild;
    if (old) old.replaceWith(fresh);
    else log.append(fresh);
  };
  const events = new EventSource(main.dataset.events);
  events.addEventListener("entry", (event) => {
    const { id, html } = JSON.parse(event.data);
    keep(() => put(id, html));
  });
  events.addEventListener("piece", (event) => {
    const { id, text, is_first } = JSON.parse(event.data);
    keep(() => {
      let bubble = document.getElementById(id);
      if (!bubble) {
        bubble = document.createElement("div");
        bubble.id = id;
        bubble.className = "said";
        bubble.append(document.createElement("p"));
        log.append(bubble);
      }
      const words = bubble.querySelector("p");
      words.textContent = is_first ? text : words.textContent + text;
    });
  });
  const shown = new Map();
  events.addEventListener("state", (event) => {
    const state = JSON.parse(event.data);
    keep(() => {
      for (const { id, html } of state.proposals) {
        if (shown.get(id) === html) continue;
        shown.set(id, html);
        put(id, html);
      }
      bar.innerHTML = state.bar;
    });
    const busy = state.status === "working" || state.status === "deciding";
    say.hidden = busy;
    if (!busy && matchMedia("(hover: hover)").matches) message.focus({ preventScroll: true });
  });
  scrollTo(0, document.body.scrollHeight);
}
