// The preview server adds this to every page it sends; no file holds it. It keeps the place in page and film.
(() => {
  const film = document.querySelector("video"), key = "preview:" + location.pathname;
  try {
    const was = JSON.parse(sessionStorage.getItem(key) || "null");
    sessionStorage.removeItem(key);
    if (was) addEventListener("load", () => {
      scrollTo(0, was.y);
      if (film && was.t) { film.preload = "auto"; film.currentTime = was.t; }
    });
  } catch (e) { /* no storage: start at the top */ }
  const events = new EventSource("/__events");
  events.addEventListener("reload", () => {
    try { sessionStorage.setItem(key, JSON.stringify({ y: scrollY, t: film ? film.currentTime : 0 })); } catch (e) {}
    location.reload();
  });
  events.addEventListener("failed", (event) => {
    let note = document.getElementById("build-error");
    if (!note) {
      note = document.createElement("pre");
      note.id = "build-error";
      note.setAttribute("role", "alert");
      note.style.cssText = "position:fixed;inset:auto 0 0 0;margin:0;padding:1rem;max-height:40vh;overflow:auto;" +
        "background:#7A1026;color:#fff;font:14px/1.5 monospace;white-space:pre-wrap;z-index:99";
      document.body.append(note);
    }
    note.textContent = JSON.parse(event.data);
  });
  addEventListener("pagehide", () => events.close());
})();
