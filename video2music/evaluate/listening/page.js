"use strict";

// What is heard counts, not what was skipped: four fifths of a sound, or half a minute of a long one.
const HEARD_SHARE = 0.8;
const ENOUGH_S = 30;

/** Seconds in the ranges that a media element says it played. */
function playedSeconds(ranges) {
  let total = 0;
  for (let i = 0; i < ranges.length; i++) total += ranges.end(i) - ranges.start(i);
  return total;
}

function heardEnough(played, duration) {
  return duration > 0 && played >= Math.min(HEARD_SHARE * duration, ENOUGH_S);
}

/** What a person has said of a trial so far; `saved` is whatever the browser kept. */
function stateOf(trial, saved) {
  const state = saved || {};
  return {
    heard: [0, 1].map((side) => Boolean(state.heard && state.heard[side])),
    answers: { ...state.answers },
    certain: state.certain || "",
    comment: state.comment || "",
  };
}

function complete(trial, state) {
  return state.heard.every(Boolean) && trial.asks.every((name) => state.answers[name]) && Boolean(state.certain);
}

/** The numbers of the trials that are not answered yet. */
function open(kit, states) {
  return kit.trials.filter((trial) => !complete(trial, stateOf(trial, states[trial.number]))).map((trial) => trial.number);
}

/** A listener's name in the table: what was typed, without what would break a name of a file, and a random end. */
function listenerName(typed, id) {
  const plain = typed.normalize("NFC").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 30);
  return plain ? `${plain}-${id}` : id;
}

/** One line of text in a cell: quotes doubled, line ends gone, and nothing that a spreadsheet takes for a formula. */
function cell(text) {
  const line = String(text).replace(/[\u0000-\u001f\u007f\u2028\u2029]+/g, " ").trim();
  const safe = /^[=+\-@]/.test(line) ? `'${line}` : line;
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The table of the answered trials, a row each, with a first row of names. */
function table(kit, listener, states) {
  const rows = [kit.columns.join(",")];
  for (const trial of kit.trials) {
    const state = stateOf(trial, states[trial.number]);
    if (!complete(trial, state)) continue;
    const fields = { ...state.answers, kit: kit.kit, listener, trial: trial.number };
    Object.assign(fields, { certain: state.certain, comment: state.comment });
    rows.push(kit.columns.map((name) => cell(fields[name] ?? "")).join(","));
  }
  return rows.join("\r\n") + "\r\n";
}

/** What the browser keeps between visits; a browser that keeps nothing is no reason to stop. */
function store(kit) {
  const place = `listening-${kit.kit}`;
  return {
    load() {
      try {
        return JSON.parse(localStorage.getItem(place)) || {};
      } catch {
        return {};
      }
    },
    save(all) {
      try {
        localStorage.setItem(place, JSON.stringify(all));
        return true;
      } catch {
        return false;
      }
    },
  };
}

function start() {
  const kit = JSON.parse(document.getElementById("kit").textContent);
  const kept = store(kit);
  const all = { ...nobody(), ...kept.load() };
  const last = kit.trials.length + 1; // place 0 is the welcome, 1 to n the trials, n + 1 the end
  const byId = (id) => document.getElementById(id);
  let players = [];

  function keep() {
    byId("unkept").hidden = kept.save(all);
  }

  function state() {
    const trial = kit.trials[all.at - 1];
    return (all.trials[trial.number] = stateOf(trial, all.trials[trial.number]));
  }

  function show(place) {
    all.at = Math.max(0, Math.min(last, place));
    keep();
    players.forEach((player) => player.pause());
    players = [];
    byId("stage").replaceChildren();
    byId("questions").replaceChildren();
    byId("welcome").hidden = all.at !== 0;
    byId("former").hidden = Object.keys(all.trials).length === 0;
    byId("trial").hidden = all.at === 0 || all.at === last;
    byId("end").hidden = all.at !== last;
    byId("back").disabled = all.at === 0;
    byId("next").hidden = all.at === last;
    byId("next").textContent = all.at === 0 ? "Begin" : "Next";
    if (!byId("trial").hidden) showTrial(kit.trials[all.at - 1]);
    if (all.at === last) showEnd();
    progress();
    document.querySelector("main > section:not([hidden]) h2").focus();
  }

  function progress() {
    const done = kit.trials.length - open(kit, all.trials).length;
    byId("bar").max = kit.trials.length;
    byId("bar").value = done;
    byId("done").textContent = `${done} of ${kit.trials.length} answered`;
  }

  function showTrial(trial) {
    const now = state();
    byId("which").textContent = `Pair ${trial.number} of ${kit.trials.length}`;
    players = trial.media.map((file, side) => addPlayer(trial, file, side));
    for (const name of trial.asks) {
      addChoice(name, kit.questions[name], kit.choices, now.answers[name], (value) => (state().answers[name] = value));
    }
    addChoice("certain", "How sure are you?", kit.certain, now.certain, (value) => (state().certain = value));
    byId("comment").value = now.comment;
    unlock();
  }

  function addPlayer(trial, file, side) {
    const box = document.createElement("figure");
    const player = document.createElement(trial.picture ? "video" : "audio");
    const title = document.createElement("figcaption");
    Object.assign(player, { controls: true, preload: "metadata", src: file });
    player.setAttribute("playsinline", "");
    player.setAttribute("controlslist", "nodownload");
    player.setAttribute("aria-label", `Music ${side + 1}`);
    title.innerHTML = `<b>Music ${side + 1}</b> <span class="state" aria-live="polite"></span>`;
    player.addEventListener("play", () => players.filter((other) => other !== player).forEach((other) => other.pause()));
    for (const event of ["timeupdate", "pause", "ended"]) player.addEventListener(event, () => listen(player, side));
    player.addEventListener("error", () => (byId("broken").hidden = false));
    box.append(title, player);
    byId("stage").append(box);
    return player;
  }

  function listen(player, side) {
    if (!players.includes(player)) return;
    const now = state();
    if (now.heard[side] || !heardEnough(playedSeconds(player.played), player.duration)) return;
    now.heard[side] = true;
    keep();
    unlock();
  }

  function unlock() {
    const now = state();
    const both = now.heard.every(Boolean);
    byId("stage").querySelectorAll(".state").forEach((sign, side) => {
      sign.textContent = now.heard[side] ? "✓ heard" : "not heard yet";
    });
    byId("answers").disabled = !both;
    byId("locked").hidden = both;
    progress();
  }

  function addChoice(name, question, choices, chosen, set) {
    const box = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = question;
    box.append(legend);
    for (const [value, words] of Object.entries(choices)) {
      const label = document.createElement("label");
      const radio = document.createElement("input");
      Object.assign(radio, { type: "radio", name, value, checked: value === chosen });
      radio.addEventListener("change", () => {
        set(value);
        keep();
        progress();
      });
      label.append(radio, ` ${words}`);
      box.append(label);
    }
    byId("questions").append(box);
  }

  function showEnd() {
    const left = open(kit, all.trials);
    byId("left").textContent = left.length ? "Not answered yet: pair " : "Every pair is answered. Thank you!";
    left.forEach((number) => {
      const link = document.createElement("button");
      Object.assign(link, { type: "button", textContent: number });
      link.addEventListener("click", () => show(number));
      byId("left").append(link, " ");
    });
    byId("save").disabled = left.length === kit.trials.length;
  }

  function save() {
    const listener = listenerName(all.name, all.id);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([table(kit, listener, all.trials)], { type: "text/csv" }));
    link.download = `answers-${kit.kit}-${listener}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    byId("saved").hidden = false;
  }

  function beginAnew() {
    if (!confirm("The answers in this browser will be gone. Are they saved as a file?")) return;
    Object.assign(all, nobody());
    byId("name").value = "";
    byId("saved").hidden = true;
    show(0);
  }

  function press(event) {
    const typing = event.target.matches("textarea, input[type=text]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const player = players[{ 1: 0, 2: 1 }[event.key]];
    if (player) player.paused ? player.play() : player.pause();
    else if (event.key === "n" && all.at < last) show(all.at + 1);
    else if (event.key === "b") show(all.at - 1);
    else return;
    event.preventDefault();
  }

  byId("name").value = all.name;
  byId("name").addEventListener("input", (event) => {
    all.name = event.target.value;
    keep();
  });
  byId("comment").addEventListener("input", (event) => {
    state().comment = event.target.value;
    keep();
  });
  byId("back").addEventListener("click", () => show(all.at - 1));
  byId("next").addEventListener("click", () => show(all.at + 1));
  byId("save").addEventListener("click", save);
  byId("anew").addEventListener("click", beginAnew);
  document.addEventListener("keydown", press);
  show(all.at);
}

/** Where a listener begins. */
function nobody() {
  return { name: "", id: randomId(), at: 0, trials: {} };
}

function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(4))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

if (typeof document === "undefined") {
  module.exports = { playedSeconds, heardEnough, stateOf, complete, open, listenerName, cell, table };
} else {
  start();
}
