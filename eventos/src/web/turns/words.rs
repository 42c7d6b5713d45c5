//! The words of the page of a turn, in each language.

use axum::http::HeaderMap;
use domain::Language;
use operations::ticket_types::SaleState;

use crate::web::buyer;

/// The words of the page in one language.
pub(super) struct Words {
    pub(super) language: Language,
    pub(super) opens: &'static str,
    pub(super) by_lot: &'static str,
    pub(super) keep_open: &'static str,
    pub(super) position: &'static str,
    pub(super) unknown_pace: &'static str,
    pub(super) about_a_minute: &'static str,
    pub(super) about: &'static str,
    pub(super) now: &'static str,
    pub(super) until: &'static str,
    pub(super) over: &'static str,
    pub(super) again: &'static str,
    pub(super) free: &'static str,
    pub(super) sold_out: &'static str,
    pub(super) later: &'static str,
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) buy: &'static str,
    pub(super) choose: &'static str,
    pub(super) no_tickets: &'static str,
    pub(super) no_price: &'static str,
    pub(super) no_name: &'static str,
    pub(super) no_email: &'static str,
}

impl Words {
    /// Why a ticket type cannot be chosen.
    pub(super) fn not_on_sale(&self, state: SaleState) -> &'static str {
        match state {
            SaleState::NotYet | SaleState::NextTier | SaleState::NotPublished => self.later,
            SaleState::OnSale | SaleState::SoldOut | SaleState::Stopped | SaleState::Over => {
                self.sold_out
            }
        }
    }
}

const EN: Words = Words {
    language: Language::En,
    opens: "The waiting room opens",
    by_lot: "Until then it does not matter who comes first: turns are drawn by lot.",
    keep_open: "This page renews itself. Keep it open: whoever is away for two minutes is passed over, and is next on coming back.",
    position: "Your position in the queue:",
    unknown_pace: "How long it takes is not known yet.",
    about_a_minute: "It takes about a minute.",
    about: "It takes about {} minutes, or less if others leave.",
    now: "It is your turn.",
    until: "Choose your tickets by",
    over: "This turn is over.",
    again: "Take a new turn",
    free: "free",
    sold_out: "sold out",
    later: "not on sale yet",
    name: "Name",
    email: "E-mail, for the tickets",
    buy: "Order",
    choose: "You choose what each costs, {least} to {most}",
    no_tickets: "Please choose at least one ticket.",
    no_price: "Please write what you want to pay as an amount, such as 12.50.",
    no_name: "Please give your name.",
    no_email: "Please give an e-mail address that works.",
};

const DE: Words = Words {
    language: Language::De,
    opens: "Der Warteraum öffnet am",
    by_lot: "Bis dahin ist gleich, wer zuerst kommt: Die Reihenfolge wird ausgelost.",
    keep_open: "Diese Seite erneuert sich von selbst. Lassen Sie sie offen: Wer zwei Minuten fort ist, wird übergangen und ist bei der Rückkehr als Nächstes dran.",
    position: "Ihr Platz in der Warteschlange:",
    unknown_pace: "Wie lange es dauert, ist noch nicht bekannt.",
    about_a_minute: "Es dauert etwa eine Minute.",
    about: "Es dauert etwa {} Minuten, oder weniger, wenn andere gehen.",
    now: "Sie sind an der Reihe.",
    until: "Wählen Sie Ihre Tickets bis",
    over: "Diese Runde ist vorbei.",
    again: "Neu anstellen",
    free: "kostenlos",
    sold_out: "ausverkauft",
    later: "noch nicht im Verkauf",
    name: "Name",
    email: "E-Mail, für die Tickets",
    buy: "Bestellen",
    choose: "Sie wählen den Preis, {least} bis {most}",
    no_tickets: "Bitte wählen Sie mindestens ein Ticket.",
    no_price: "Bitte schreiben Sie Ihren Preis als Betrag, etwa 12,50.",
    no_name: "Bitte geben Sie Ihren Namen an.",
    no_email: "Bitte geben Sie eine gültige E-Mail-Adresse an.",
};

/// The words in the language that the browser wants most.
pub(super) fn words(headers: &HeaderMap) -> &'static Words {
    match buyer::language(headers) {
        Language::En => &EN,
        Language::De => &DE,
    }
}
