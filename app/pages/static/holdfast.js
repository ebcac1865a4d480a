/* <holdfast-cancel session="…"> and Holdfast.open({session, …}): lets a customer leave. It shows what
   the API says and sends back what was pressed; the service decides. Asks its own service alone,
   keeps nothing. Themed by --holdfast-* properties. Its words come from the service; those below
   are for when it does not answer. */
(() => {
  const HERE = new URL("../../", document.currentScript?.src || location.href);
  const LOST = {
    en: ["That did not work", "Try again"],
    de: ["Das hat nicht geklappt", "Noch einmal versuchen"],
    fr: ["Cela n’a pas fonctionné", "Réessayer"],
    es: ["No ha funcionado", "Volver a intentarlo"],
    zh: ["未能完成", "重试"],
  };
  const OUTCOMES = { saved: "saved", done: "cancelled", undone: "uncancelled" };
  const TEN = { type: "number", min: 0, max: 10 };
  const PATIENCE = 30000;
  const STYLE = new CSSStyleSheet();
  STYLE.replaceSync(`:host{display:block}
:host([hidden]){display:none}
*{box-sizing:border-box}
dialog{width:min(34rem,calc(100vw - 2rem));max-height:calc(100dvh - 2rem);padding:1.5rem;border:0;border-radius:var(--holdfast-radius,.75rem)}
dialog,section{font:var(--holdfast-font,1rem/1.55 system-ui,sans-serif);color:var(--holdfast-ink,light-dark(#1f2933,#e6eaed));background:var(--holdfast-ground,light-dark(#fff,#1b2126))}
dialog::backdrop{background:rgb(0 0 0/.5)}
section{position:relative;display:grid;gap:1rem;overflow-wrap:anywhere}
h2{font-size:1.375em;line-height:1.25;margin:0}h2:focus{outline:0}
dialog h2{padding-inline-end:2.5rem}
p,ul,dl,dd,fieldset{margin:0}ul{padding-inline-start:1.2em}
fieldset{padding:0;border:0}legend{padding:0;font-weight:600}
dl>div{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1.5rem;padding:.5rem 0;border-block-start:1px solid var(--holdfast-line,light-dark(#dde3e0,#39434b))}
dd{font-weight:600}
.pair{display:grid;gap:.75rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,11rem),1fr))}
form,.end{display:grid;gap:.75rem}
label{display:flex;gap:.625rem;align-items:center;min-height:2.5rem}
label.own{display:grid;gap:.25rem;font-weight:600}
input{width:1.25rem;height:1.25rem;margin:0;flex:none;accent-color:var(--holdfast-button,light-dark(#0b5f58,#7fd6cc))}
textarea,.own input{width:100%;height:auto;padding:.5rem .75rem;font:inherit;font-weight:400;color:inherit;background:transparent;border:1px solid var(--holdfast-edge,light-dark(#7b8794,#8893a0));border-radius:.5rem}
button,a{font:inherit;font-weight:600;text-align:center;min-height:3rem;padding:.625rem 1rem;border:2px solid var(--holdfast-button,light-dark(#0b5f58,#7fd6cc));border-radius:.5rem;cursor:pointer;transition:opacity .15s}
button,a{color:var(--holdfast-button-ink,light-dark(#fff,#08231f));background:var(--holdfast-button,light-dark(#0b5f58,#7fd6cc));text-decoration:none}
button:hover,a:hover{opacity:.9}
.second,.plain{color:var(--holdfast-button,light-dark(#0b5f58,#7fd6cc));background:transparent}
.plain{border:0;text-decoration:underline;justify-self:start;padding-inline:0}
.x{position:absolute;inset-block-start:-.5rem;inset-inline-end:-.5rem;width:3rem;padding:0;border:0;color:inherit;background:transparent;font-size:1.5rem}
:focus-visible{outline:3px solid var(--holdfast-focus,light-dark(#1d4ed8,#93c5fd));outline-offset:2px}
[aria-busy=true]{cursor:progress}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
@media(prefers-reduced-motion:reduce){*{transition:none!important}}`);

  const make = (tag, facts, ...inside) => {
    const node = Object.assign(document.createElement(tag), facts);
    node.append(...inside.filter(Boolean));
    return node;
  };
  const name = (word) => word[0].toUpperCase() + word.slice(1);

  class HoldfastCancel extends HTMLElement {
    static observedAttributes = ["session"];
    options = {};

    connectedCallback() {
      if (!this.box) {
        const root = this.attachShadow({ mode: "open" });
        root.adoptedStyleSheets = [STYLE];
        this.said = make("p", { className: "unseen", role: "status" });
        this.box = make("section", {});
        if (this.modal) {
          const dialog = make("dialog", { onclose: () => this.gone() }, this.box, this.said);
          dialog.setAttribute("aria-labelledby", "h");
          root.append(dialog);
          dialog.showModal();
        } else root.append(this.box, this.said);
        const { scheme, ...looks } = this.options.appearance || {};
        if (scheme) this.style.colorScheme = scheme;
        for (const look in looks) this.style.setProperty(`--holdfast-${look}`, looks[look]);
      }
      this.load();
    }

    attributeChangedCallback(_, before, after) {
      if (!this.box || before === after) return;
      this.busy = false;
      this.load();
    }

    get base() {
      return this.getAttribute("api") || HERE;
    }

    get language() {
      const said = this.options.locale || this.getAttribute("locale") || this.closest("[lang]")?.lang || navigator.language;
      return /^[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}$/i.test(said) ? said : "en";
    }

    async ask(path, body, key) {
      const headers = { Authorization: `Bearer ${this.token}` };
      if (body) headers["Content-Type"] = "application/json";
      if (key) headers["Idempotency-Key"] = key;
      const how = { method: body ? "POST" : "GET", body: body && JSON.stringify(body), headers };
      const more = { credentials: "omit", cache: "no-store", signal: AbortSignal.timeout(PATIENCE) };
      const answer = await fetch(new URL(`v1/${path}`, this.base), { ...how, ...more });
      const told = await answer.json();
      if (!answer.ok) throw Object.assign(new Error(told.title), { problem: told });
      return told;
    }

    async load() {
      const turn = (this.turn = {});
      if (!this.getAttribute("session")) return;
      await this.trying(async () => {
        const session = (this.token = this.getAttribute("session"));
        this.page = this.view = null;
        const subscription = this.getAttribute("subscription");
        const wish = { language: this.language, ...(subscription && { subscription }) };
        const signed = session.split(".").length === 3;
        const view = await (signed ? this.ask("cancel-sessions", wish) : this.ask("cancel-sessions/current"));
        if (turn !== this.turn) return;
        this.token = view.token || session;
        this.page = new URL(`c/${this.token}`, this.base);
        await this.speak(view.language);
        if (turn === this.turn) await this.see(view);
      });
    }

    async speak(language) {
      const answer = await fetch(new URL(`embed/v1/words/${language}.json`, this.base), { credentials: "omit" });
      this.words = await answer.json();
    }

    /* What is pressed: once at a time, and again after a failure without counting twice. */
    async trying(deed) {
      if (this.busy) return;
      this.busy = true;
      this.box.setAttribute("aria-busy", true);
      this.said.textContent = this.words?.working || "";
      try {
        await deed();
      } catch (fault) {
        this.busy = false;
        await this.fail(fault, deed);
      }
      this.busy = false;
      this.box.removeAttribute("aria-busy");
      if (this.said.textContent === this.words?.working) this.said.textContent = "";
    }

    act(deed, body = {}) {
      const { id, step, subscription } = this.view;
      const back = deed === "uncancel";
      const path = back ? `subscriptions/${subscription}/uncancel` : `cancel-sessions/${id}/${deed}`;
      const keyed = deed === "accept" || deed === "confirm";
      const key = keyed && `widget:${id}:${step.id}:${deed}`;
      return this.trying(async () => {
        if (!(await this.replaced(deed, body))) await this.ask(path, body, key);
        await this.see(await this.ask(`cancel-sessions/${id}`));
        if (deed === "close") this.tell("close", {});
      });
    }

    /* A handler that has done it itself says true. One that fails, or says nothing in time, has not. */
    async replaced(deed, body) {
      try {
        const asked = this.options[`onBefore${name(deed)}`]?.({ session: this.view, ...body });
        const late = asked?.then && new Promise((done) => setTimeout(done, PATIENCE));
        return (await (late ? Promise.race([asked, late]) : asked)) === true;
      } catch (fault) {
        reportError(fault);
        return false;
      }
    }

    tell(what, detail) {
      try {
        this.options[`on${name(what)}`]?.(detail);
      } catch (fault) {
        reportError(fault);
      }
      this.dispatchEvent(new CustomEvent(`holdfast-${what}`, { detail, bubbles: true, composed: true }));
    }

    async see(view, again) {
      const before = this.view;
      this.view = view;
      const shown = view.screen;
      if ((again || shown.name === "confirm") && view.may.includes("confirm")) await this.foresee(again);
      else this.draw(shown, this.parts(view));
      const outcome = before && before.screen.name !== shown.name && OUTCOMES[shown.name];
      if (outcome) this.said.textContent = shown.heading;
      if (outcome) this.tell(outcome, { session: view, receipt: view.receipt });
    }

    async foresee(again) {
      const { choices } = await this.ask(`cancel-sessions/${this.view.id}/preview`);
      const ends = choices.map((end) =>
        make("div", { className: "end" }, make("ul", {}, ...end.says.map((line) => make("li", { textContent: line, dir: "auto" }))), this.button(end.label, () => this.act("confirm", { choice: end.choice, told: end.told }))),
      );
      const w = this.words;
      const screen = { name: "confirm", heading: w["confirm.heading"], says: again ? [w["confirm.changed"]] : [], rows: [] };
      this.draw(screen, [...ends, this.button(w.keep, () => this.act("close"), "plain")]);
    }

    parts({ may, screen, step }) {
      const w = this.words;
      const link = (text, path) => make("a", { textContent: text, href: `${this.page}${path}` });
      const away = may.includes("withdraw") && make("a", { className: "plain", textContent: w["withdraw.link"], href: `${this.page}/withdraw` });
      if (screen.name === "done") {
        const undo = may.includes("uncancel") && this.button(w["done.undo"], () => this.act("uncancel"), "plain");
        return [link(w["done.receipt"], "/receipt"), undo, away];
      }
      if (screen.name === "applying") return [this.button(w["applying.again"], () => this.load())];
      if (screen.name === "waiting") {
        const pay = Object.assign(link(w["waiting.pay"], "/pay"), { target: "_blank", rel: "noopener noreferrer" });
        const which = { step: step.id };
        const pair = make("div", { className: "pair" }, this.button(w.leave, () => this.act("decline", which)), pay);
        return [pair, this.button(w["waiting.done"], () => this.act("accept", which), "plain"), this.button(w.keep, () => this.act("close"), "plain")];
      }
      const kept = screen.link;
      if (kept) return [make("a", { textContent: kept.label, href: kept.url, target: "_blank", rel: "noopener noreferrer" })];
      if (!may.includes("confirm")) return [];
      const leave = this.button(w.leave, () => this.trying(() => this.foresee()));
      const pair = make("div", { className: "pair" }, leave);
      const keep = this.button(w.keep, () => this.act("close"), "plain");
      if (screen.name !== "offer") return [pair, this.question(step), keep, away];
      pair.append(this.button(w["offer.accept"], () => this.act("accept", { step: step.id })));
      return [pair, this.button(w["offer.decline"], () => this.act("decline", { step: step.id }), "plain"), keep, away];
    }

    question(step) {
      const w = this.words;
      const field = (text, name, facts = { maxLength: 2000, rows: 3 }) =>
        make("label", { className: "own" }, make("span", { textContent: text, dir: "auto" }), make(facts.rows ? "textarea" : "input", { name, ...facts }));
      const form = make("form", {});
      if (step.reasons.length) {
        const reasons = step.reasons.map(({ id, label, follow_up }) => {
          const pick = make("input", { type: "radio", name: "reason", value: id });
          const row = make("div", {}, make("label", {}, pick, make("span", { textContent: label, dir: "auto" })));
          pick.onchange = () => {
            for (const other of form.querySelectorAll(".own")) other.remove();
            if (follow_up) row.append(field(follow_up, "follow_up"));
          };
          return row;
        });
        form.append(make("fieldset", {}, make("legend", { textContent: w.reason }), ...reasons));
      }
      const kinds = { competitor: { maxLength: 120 }, rating: TEN, likely: TEN };
      form.append(...step.asks.map((ask) => field(w[`asks.${ask}`], ask, kinds[ask])));
      form.append(make("button", { className: "second", textContent: w.go_on }));
      form.onsubmit = (event) => {
        event.preventDefault();
        const said = { step: step.id };
        for (const [name, value] of new FormData(form)) if (value.trim()) said[name] = kinds[name] === TEN ? +value : value.trim();
        this.act("answer", said);
      };
      return form;
    }

    button(text, pressed, kind = "") {
      return make("button", { type: "button", className: kind, textContent: text, onclick: pressed });
    }

    draw({ name: what, heading, says, rows }, parts) {
      const first = !this.drawn && !this.modal;
      this.drawn = what;
      const title = make("h2", { id: "h", tabIndex: -1, textContent: heading, dir: "auto" });
      const facts = rows.map(({ label, value }) => make("div", {}, make("dt", { textContent: label }), make("dd", { textContent: value })));
      const lines = says.map((line) => make("p", { textContent: line, dir: "auto" }));
      const x = this.modal && this.button("×", () => this.close(), "x");
      if (x) x.ariaLabel = this.words?.close || "×";
      this.box.lang = this.view?.language || this.language;
      this.box.replaceChildren(title, ...lines, ...(facts.length ? [make("dl", {}, ...facts)] : []), ...parts.filter(Boolean), ...(x ? [x] : []));
      if (!first) title.focus();
      this.tell("step", { step: what, session: this.view });
    }

    /* No answer: one may try again, or go on where no script is needed. What was decided meanwhile
       elsewhere is shown as it is; what leaving does by now, as it is by now. */
    async fail(fault, deed) {
      const { problem } = fault;
      this.tell("error", problem || { title: fault.message });
      const over = [401, 404].includes(problem?.status);
      if (problem?.status === 409 && this.view) return this.trying(async () => this.see(await this.ask(`cancel-sessions/${this.view.id}`), this.drawn === "confirm"));
      if (over && !this.words) await this.speak(this.language).catch(() => {});
      const lost = LOST[this.language.slice(0, 2).toLowerCase()] || LOST.en;
      const w = this.words || { "trouble.heading": lost[0], "trouble.again": lost[1] };
      const kind = over ? "over" : "trouble";
      const says = [w[`${kind}.lead`]].filter(Boolean);
      const link = this.page && make("a", { className: "second", href: this.page, textContent: w["trouble.page"] });
      const again = this.button(w["trouble.again"], () => this.trying(deed));
      this.draw({ name: kind, heading: w[`${kind}.heading`], says, rows: [] }, over ? [] : [again, link]);
      this.said.textContent = w[`${kind}.heading`];
    }

    close() {
      this.shadowRoot.querySelector("dialog")?.close();
    }

    gone() {
      this.tell("close", {});
      this.remove();
    }
  }

  customElements.get("holdfast-cancel") || customElements.define("holdfast-cancel", HoldfastCancel);
  window.Holdfast = {
    open(options) {
      const element = document.createElement("holdfast-cancel");
      Object.assign(element, { options, modal: true });
      element.setAttribute("session", options.session);
      document.body.append(element);
      return element;
    },
  };
})();
