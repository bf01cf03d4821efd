// The keyboard of the labelling page. The next pairs are here before they are asked for: a key shows the next one at
// once and sends the vote behind it, in order. Every vote has an id, so that one that is sent again counts once.
"use strict";

const csrf = document.querySelector("meta[name=csrf]").content;
const place = document.getElementById("task");
const WORDS = ["", "same", "different", "unknown"];
const RETRY_MS = [500, 1000, 2000, 5000];
const LOOK_MS = 3000;
// The pair on the screen and those behind it; as the server's AHEAD has it.
const STORE = 3;

const search = document.getElementById("search");
if (place) labelling();
else document.addEventListener("keydown", (event) => { if (plain(event) && event.key === "/") focusSearch(event); });

function plain(event) {
  return !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest("input, textarea, dialog[open]");
}

function focusSearch(event) {
  event.preventDefault();
  search.focus();
  search.select();
}

function labelling() {
  const empty = document.getElementById("empty");
  const said = document.getElementById("said");
  const unsaved = document.getElementById("unsaved");
  const help = document.getElementById("help");
  const ahead = [...document.querySelectorAll("template.ahead")].map((each) => ({ id: each.dataset.task, node: each.content.firstElementChild }));
  let sending = Promise.resolve();
  let pending = 0;
  let since = performance.now();
  let looking = 0;

  const current = () => place.firstElementChild;
  // Votes that the server has not heard of: it would hand their pairs out again.
  const unheard = new Set();
  const store = () => [current()?.dataset.task, ...ahead.map((each) => each.id)].filter(Boolean);

  function show(node) {
    place.replaceChildren(...(node ? [node] : []));
    empty.hidden = Boolean(node);
    since = performance.now();
    if (node) window.scrollTo(0, 0);
    else look();
  }

  function parsed(html) {
    const made = document.createElement("template");
    made.innerHTML = html;
    return made.content.firstElementChild;
  }

  let told = 0;
  function tell(text, wrong = false) {
    said.textContent = text;
    said.classList.toggle("wrong", wrong);
    told += 1;
    return told;
  }

  function take(answer) {
    for (const each of answer.next ?? []) {
      if (!unheard.has(each.task_id) && !store().includes(each.task_id)) ahead.push({ id: each.task_id, node: parsed(each.html) });
    }
    for (const [name, value] of Object.entries(answer.counts ?? {})) {
      const shown = document.querySelector(`[data-count=${name}]`);
      if (shown) shown.textContent = value;
    }
    if (!current() && ahead.length) show(ahead.shift().node);
  }

  // One request after the other. What fails for no fault of the vote's is sent again, as often as it takes.
  function send(path, fields) {
    pending += 1;
    const done = sending.then(async () => {
      for (let attempt = 0; ; attempt += 1) {
        try {
          const body = new URLSearchParams({ ...fields, holding: [...store(), ...unheard].join(","), want: Math.max(0, STORE - store().length) });
          const headers = { accept: "application/json", "x-csrf-token": csrf };
          const response = await fetch(path, { method: "POST", body, headers, redirect: "error" });
          if (response.status === 401) { pending = 0; location.assign("/login"); return null; }
          if (response.status !== 429 && response.status < 500) {
            unsaved.hidden = true;
            return { ok: response.ok, ...(await response.json()) };
          }
        } catch { /* nobody answers: below */ }
        unsaved.textContent = "Not saved yet: the server does not answer. Trying again …";
        unsaved.hidden = false;
        await new Promise((wake) => setTimeout(wake, RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]));
      }
    }).finally(() => { pending = Math.max(0, pending - 1); });
    sending = done.catch(() => null);
    return done;
  }

  function look() {
    clearTimeout(looking);
    looking = setTimeout(async () => {
      if (current()) return;
      const answer = await send("/next", {});
      if (answer?.ok) take(answer);
      if (!current()) look();
    }, LOOK_MS);
  }

  function fieldsOf(task) {
    return Object.fromEntries(new FormData(task.querySelector("form")));
  }

  async function vote(verdict, event) {
    const task = current();
    if (!task) return;
    const fields = { ...fieldsOf(task), verdict, elapsed_ms: Math.round(performance.now() - since) };
    const clash = [...task.querySelectorAll(".attribute")].filter((each) => each.dataset.said === "different").map((each) => each.dataset.name);
    if (verdict === "match" && clash.length) {
      tell(`A match cannot have a different ${clash.join(" or ")}: correct one of the two.`, true);
      return;
    }
    const about = tell(`${verdict.replace("_", " ")} …`);
    show(ahead.length ? ahead.shift().node : null);
    measured(event);
    unheard.add(fields.task_id);
    const answer = await send("/vote", fields);
    unheard.delete(fields.task_id);
    if (!answer) return;
    // Good news must not hide what was said since; bad news is always told.
    if (!answer.ok || about === told) tell(answer.ok ? answer.said : `Not counted: ${answer.error}`, !answer.ok);
    if (answer.ok) take(answer);
    else { const more = await send("/next", {}); if (more?.ok) take(more); }
  }

  // From the key to the frame that shows the next pair, for benchmarks/review_page.py.
  function measured(event) {
    const start = event?.timeStamp ?? performance.now();
    const shown = Boolean(current());
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => performance.measure(shown ? "key-to-next" : "key-to-empty", { start, end: performance.now() });
      channel.port2.postMessage(0);
    });
  }

  async function undo() {
    tell("undo …");
    const answer = await send("/undo", {});
    if (!answer) return;
    tell(answer.ok ? answer.said : answer.error, !answer.ok);
    if (!answer.ok) return;
    const shown = current();
    const known = ahead.findIndex((each) => each.id === answer.task.task_id);
    if (known >= 0) ahead.splice(known, 1);
    if (shown && shown.dataset.task !== answer.task.task_id) ahead.unshift({ id: shown.dataset.task, node: shown });
    show(parsed(answer.task.html));
    take(answer);
  }

  function state(button, verdict) {
    button.dataset.said = verdict;
    button.querySelector("input").value = verdict;
    button.classList.toggle("stated", verdict !== "");
    const shown = button.querySelector(".verdict");
    const word = verdict || button.dataset.student;
    shown.textContent = word || "–";
    shown.className = `verdict ${word}`;
  }

  function correct(button) {
    // The first press says the opposite of what the student said; then round.
    const first = { same: "different", different: "same", unknown: "same" }[button.dataset.student] ?? "same";
    const order = ["", first, ...WORDS.filter((word) => word && word !== first)];
    state(button, order[(order.indexOf(button.dataset.said) + 1) % order.length]);
  }

  function confirm(event) {
    const task = current();
    const answer = task?.dataset.answer;
    if (!answer) return;
    const buttons = [...task.querySelectorAll(".attribute")];
    if (answer === "match" && buttons.some((each) => (each.dataset.said || each.dataset.student) === "different")) {
      tell("The student contradicts itself here: a match with a different attribute. Say it yourself.", true);
      return;
    }
    for (const each of buttons) if (!each.dataset.said) state(each, each.dataset.student);
    vote(answer, event);
  }

  function comment() {
    const note = current()?.querySelector(".note");
    if (!note) return;
    note.hidden = false;
    note.querySelector("input").focus();
  }

  const KEYS = {
    m: (event) => vote("match", event),
    n: (event) => vote("no_match", event),
    u: (event) => vote("unsure", event),
    s: (event) => vote("skip", event),
    z: undo,
    c: comment,
    Enter: confirm,
    "/": focusSearch,
    "?": () => help.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { document.activeElement.blur(); return; }
    if (event.key === "Enter" && event.target.closest?.(".note")) { event.preventDefault(); event.target.blur(); return; }
    if (event.repeat || !plain(event)) return;
    // Enter on a button that somebody has reached with the tab key presses that button.
    if (event.key === "Enter" && event.target.closest("button, a")) return;
    const number = "12345".indexOf(event.key);
    const act = number >= 0 && event.key ? () => { const each = current()?.querySelectorAll(".attribute")[number]; if (each) correct(each); } : KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act(event);
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.name === "verdict") { event.preventDefault(); vote(button.value, event); }
    else if (button.classList.contains("attribute")) correct(button);
    else if (button.classList.contains("confirm")) confirm(event);
    else if (button.id === "undo") { event.preventDefault(); undo(); }
    else if (button.id === "help-open") help.showModal();
    else return;
    button.blur();
  });

  window.addEventListener("beforeunload", (event) => { if (pending) event.preventDefault(); });
  if (!current()) look();
}
