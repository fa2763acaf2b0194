// Starts reveal.js, plays an animation section by section (each press of a key plays the next one), and sets smaller
// what a browser makes larger than the layout engine did: a line that breaks elsewhere, a formula with wider spaces.
(() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const watched = new WeakSet();

  function watch(video) {
    if (watched.has(video)) return;
    watched.add(video);
    video.addEventListener("play", () => {
      if (video.dataset.until === undefined || video.currentTime >= Number(video.dataset.until) - 0.05) {
        video.dataset.until = "Infinity"; // started by hand: play on
      }
      const check = () => {
        if (video.currentTime >= Number(video.dataset.until) - 0.02) video.pause();
        if (!video.paused) requestAnimationFrame(check);
      };
      requestAnimationFrame(check);
    });
  }

  function section(video, number) {
    watch(video);
    const starts = video.dataset.starts.split(" ").map(Number); // seconds; the last is the end of the clip
    const still = calm || Reveal.isSpeakerNotes();
    video.dataset.until = String(starts[number + 1]);
    video.currentTime = still ? Math.max(0, starts[number + 1] - 0.04) : starts[number];
    if (!still) video.play().catch(() => {}); // a browser that forbids it leaves the controls
  }

  function current() {
    const slide = Reveal.getCurrentSlide();
    const video = slide && slide.querySelector("video[data-starts]");
    if (video) section(video, slide.querySelectorAll(".cue.visible").length);
  }

  function tooLarge(block) {
    const formula = block.querySelector(":scope > div > math");
    if (formula) return formula.getBoundingClientRect().width > block.getBoundingClientRect().width * 1.002;
    return block.scrollHeight > block.clientHeight + 4 || block.scrollWidth > block.clientWidth + 2;
  }

  function fit(slide) { // only a slide that is displayed has sizes; code is set to its width by the builder
    for (const block of slide.querySelectorAll(".block:not(.code)")) {
      for (let tries = 0; tries < 20 && tooLarge(block); tries++) {
        block.style.fontSize = `${0.98 * parseFloat(getComputedStyle(block).fontSize)}px`;
      }
    }
  }

  const fitCurrent = () => fit(Reveal.getCurrentSlide());
  Reveal.on("ready", () => { current(); document.fonts.ready.then(fitCurrent); });
  Reveal.on("slidechanged", () => { current(); fitCurrent(); document.fonts.ready.then(fitCurrent); });
  Reveal.on("pdf-ready", () => document.fonts.ready.then(() => fit(document)));
  for (const event of ["fragmentshown", "fragmenthidden"]) {
    Reveal.on(event, (e) => { if (e.fragment.classList.contains("cue")) current(); });
  }

  Reveal.initialize({
    width: 960, height: 540, margin: 0, minScale: 0.1, maxScale: 4, center: false,
    hash: true, fragmentInURL: true, respondToHashChanges: true,
    controls: true, controlsLayout: "edges", controlsTutorial: false, progress: true, slideNumber: false,
    transition: "none", backgroundTransition: "none", autoPlayMedia: false,
    pdfSeparateFragments: false, pdfMaxPagesPerSlide: 1, plugins: [RevealNotes],
  });
})();
