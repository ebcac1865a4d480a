// Says once that a person has this page before them: only after a key, a touch or a scroll, which
// those who follow links by machine do not make. The page works without it.
(() => {
  const address = document.querySelector('meta[name="opened"]')?.content;
  const signs = ["pointerdown", "pointermove", "keydown", "touchstart", "scroll"];
  const tell = (event) => {
    if (!event.isTrusted || document.visibilityState !== "visible") return;
    for (const sign of signs) window.removeEventListener(sign, tell);
    navigator.sendBeacon(address);
  };
  if (address) for (const sign of signs) window.addEventListener(sign, tell, { passive: true });
})();
