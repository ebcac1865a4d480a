/* <holdfast-banner token="…">: tells a customer of an overdue payment and leads to the page that
   settles it. Asks its own service alone, keeps nothing, shows nothing where nothing is owed or
   no answer comes. Themed by --holdfast-* properties. */
const WORDS = {
  en: ["{a} is overdue.", "We try your card again on {d}.", "From {d}: limited access.", "From {d}: no access.", "The subscription ends on {d}.", "Settle now"],
  de: ["{a} sind überfällig.", "Wir belasten Ihre Karte am {d} erneut.", "Ab {d}: eingeschränkter Zugang.", "Ab {d}: kein Zugang.", "Das Abonnement endet am {d}.", "Jetzt begleichen"],
  fr: ["{a} restent impayés.", "Nouvel essai de paiement le {d}.", "À partir du {d} : accès limité.", "À partir du {d} : plus d’accès.", "L’abonnement prend fin le {d}.", "Régler maintenant"],
  es: ["{a} están pendientes de pago.", "Volveremos a intentar el cobro el {d}.", "Desde el {d}: acceso limitado.", "Desde el {d}: sin acceso.", "La suscripción termina el {d}.", "Pagar ahora"],
  zh: ["{a} 已逾期。", "我们将于 {d} 再次尝试扣款。", "自 {d} 起访问将受限。", "自 {d} 起将无法访问。", "订阅将于 {d} 终止。", "立即支付"],
};
const THEN = { restricted: 2, blocked: 3, ended: 4 };
const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`:host{display:block}
:host([hidden]),div:empty{display:none}
div{display:flex;flex-wrap:wrap;gap:.5em 1em;align-items:center;justify-content:space-between;padding:.75em 1em;
font:var(--holdfast-font,1em/1.5 system-ui,sans-serif);color:var(--holdfast-ink,#1f1300);background:var(--holdfast-ground,#fff3d6);
border-inline-start:.3em solid var(--holdfast-accent,#a15c00);border-radius:var(--holdfast-radius,.25em)}
p{margin:0;flex:1 1 14em;overflow-wrap:anywhere}
button{font:inherit;font-weight:600;min-height:2.75em;padding:.25em 1.1em;border:0;border-radius:inherit;cursor:pointer;
color:var(--holdfast-button-ink,#fff);background:var(--holdfast-button,#7a4300);transition:opacity .15s}
button:hover{opacity:.9}button:focus-visible{outline:.2em solid currentColor;outline-offset:.15em;color:var(--holdfast-ink,#1f1300);background:var(--holdfast-ground,#fff3d6)}
@media (prefers-color-scheme:dark){div{color:var(--holdfast-ink,#ffeccc);background:var(--holdfast-ground,#33230a)}
button{color:var(--holdfast-button-ink,#1f1300);background:var(--holdfast-button,#ffc46b)}
button:focus-visible{color:var(--holdfast-ink,#ffeccc);background:var(--holdfast-ground,#33230a)}}
@media (prefers-reduced-motion:reduce){button{transition:none}}`);

class HoldfastBanner extends HTMLElement {
  static observedAttributes = ["token", "lang"];

  connectedCallback() {
    if (!this.shadowRoot) {
      const root = this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [STYLE];
      this.box = root.appendChild(document.createElement("div"));
      this.box.setAttribute("role", "status");
    }
    this.show();
  }

  attributeChangedCallback(_, before, after) {
    if (this.box && before !== after) this.show();
  }

  async ask(path, method) {
    const headers = { Authorization: `Bearer ${this.getAttribute("token")}` };
    const base = this.getAttribute("api") || new URL("..", import.meta.url);
    const answer = await fetch(new URL(`v1/me/${path}`, base), { method, headers, credentials: "omit", cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    return answer.json();
  }

  async show() {
    const turn = (this.turn = {});
    const said = this.lang || this.closest("[lang]")?.lang || navigator.language || "en";
    const language = /^[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}$/i.test(said) ? said : "en";
    const known = WORDS[language.slice(0, 2).toLowerCase()] ? language : "en";
    let me = null;
    if (this.getAttribute("token")) {
      try {
        me = await this.ask(`status?language=${known}`, "GET");
      } catch {
        /* no answer: say nothing */
      }
    }
    if (turn === this.turn) this.draw(me, known);
  }

  draw(me, language) {
    const words = WORDS[language.slice(0, 2).toLowerCase()];
    const owed = me?.owed;
    this.box.lang = language;
    if (!owed) return this.box.replaceChildren();
    const on = (n, at) => words[n].replace("{d}", new Intl.DateTimeFormat(language, { dateStyle: "long" }).format(new Date(at)));
    const lines = [words[0].replace("{a}", () => owed.amount)];
    if (owed.next_attempt_at) lines.push(on(1, owed.next_attempt_at));
    if (THEN[me.next?.level]) lines.push(on(THEN[me.next.level], me.next.at));
    const text = document.createElement("p");
    text.dir = "auto";
    text.textContent = lines.join(" ");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words[5];
    button.onclick = async () => {
      button.disabled = true;
      try {
        location.assign((await this.ask("payment-link", "POST")).url);
      } catch {
        this.show();
      }
    };
    this.box.replaceChildren(text, button);
  }
}

customElements.get("holdfast-banner") || customElements.define("holdfast-banner", HoldfastBanner);
