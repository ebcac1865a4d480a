// The demo's shop, as a merchant would write it: the window on a button, and what the page is told.
(() => {
  const told = document.getElementById("told");
  const button = document.getElementById("modal");
  for (const what of ["step", "saved", "cancelled", "uncancelled", "close", "error"]) {
    document.addEventListener(`holdfast-${what}`, ({ detail }) => {
      const line = document.createElement("li");
      line.textContent = [what, detail.step || detail.receipt?.id || detail.title].filter(Boolean).join(": ");
      told.append(line);
    });
  }
  button.addEventListener("click", () => Holdfast.open({ session: button.dataset.session }));
})();
