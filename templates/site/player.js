// The page of a day: chapters and transcript follow the film, and the film follows them.
// Without this script every chapter and sentence is a link to its moment in the video file.
(() => {
  "use strict";
  const film = document.getElementById("film");
  const lines = document.getElementById("lines");
  const follow = document.getElementById("follow");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const chapters = [...document.querySelectorAll(".chapters a[data-at]")];
  const sentences = [...lines.querySelectorAll("a[data-at]")];
  const startOf = (link) => Number(link.dataset.at);

  // ------------------------------------------------------------ seek

  function seek(seconds, play) {
    const go = () => {
      film.currentTime = seconds + 0.001; // just inside the first picture of that moment
      if (play) film.play().catch(() => {}); // the browser may want a click on the film first
    };
    if (film.readyState >= 1) go();
    else {
      film.addEventListener("loadedmetadata", go, { once: true });
      film.load();
    }
    mark(seconds);
  }

  function onLink(event) {
    const link = event.target.closest("a[data-at]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (event.detail && String(getSelection()).length > 0) return; // the reader is marking text
    setFollow(true);
    seek(startOf(link), true);
  }
  document.querySelector(".chapters").addEventListener("click", onLink);
  lines.addEventListener("click", onLink);

  // ------------------------------------------------------------ highlight

  function lastBefore(links, seconds) {
    let low = 0, high = links.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (startOf(links[middle]) <= seconds + 0.02) low = middle + 1;
      else high = middle;
    }
    return links[low - 1];
  }

  function mark(seconds) {
    setCurrent(chapters, lastBefore(chapters, seconds));
    const sentence = lastBefore(sentences, seconds);
    if (setCurrent(sentences, sentence) && sentence) {
      if (!lines.contains(document.activeElement)) rove(sentence);
      if (following()) show(sentence);
    }
  }

  function setCurrent(links, link) {
    const old = links.find((other) => other.getAttribute("aria-current"));
    if (old === link) return false;
    if (old) old.removeAttribute("aria-current");
    if (link) link.setAttribute("aria-current", "true");
    return true;
  }

  let started = false; // nothing is marked until the film has been touched; then the start is a place like any
  for (const name of ["timeupdate", "seeking"]) {
    film.addEventListener(name, () => {
      started ||= film.currentTime > 0 || !film.paused;
      if (started) mark(film.currentTime);
    });
  }

  // ------------------------------------------------------------ follow

  const following = () => follow.getAttribute("aria-pressed") === "true";
  const setFollow = (on) => follow.setAttribute("aria-pressed", String(on));

  function show(sentence) {
    const box = sentence.getBoundingClientRect(), panel = lines.getBoundingClientRect();
    const top = lines.scrollTop + box.top - panel.top - panel.height * 0.35;
    lines.scrollTo({ top, behavior: calm.matches ? "auto" : "smooth" });
  }

  follow.addEventListener("click", () => {
    setFollow(!following());
    const sentence = sentences.find((link) => link.getAttribute("aria-current"));
    if (following() && sentence) show(sentence);
  });
  for (const name of ["wheel", "touchmove"]) {
    lines.addEventListener(name, () => setFollow(false), { passive: true });
  }

  // ------------------------------------------------------------ keyboard: one stop of Tab, then arrows

  function rove(link) {
    for (const other of sentences) other.tabIndex = other === link ? 0 : -1;
  }
  if (sentences.length) rove(sentences[0]);
  lines.addEventListener("focusin", (event) => event.target.matches("a[data-at]") && rove(event.target));
  lines.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    setFollow(false);
    const at = sentences.indexOf(document.activeElement);
    const next = at < 0 ? sentences.find((link) => link.tabIndex === 0) : sentences[at + step];
    if (next) next.focus();
  });

  // ------------------------------------------------------------ speed, and links to a moment (#t=83)

  const speed = document.getElementById("speed");
  speed.addEventListener("change", () => { film.playbackRate = Number(speed.value); });
  film.addEventListener("ratechange", () => { speed.value = String(film.playbackRate); });

  function fromAddress() {
    const match = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash);
    if (match) seek(Number(match[1]), false);
  }
  addEventListener("hashchange", fromAddress);
  fromAddress();
})();
