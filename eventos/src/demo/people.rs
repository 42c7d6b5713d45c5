//! Made-up people, and a small source of repeatable chance.

use domain::context::Entropy;

const FIRST: &[&str] = &[
    "Aaliyah", "Adrian", "Amélie", "Anton", "Aylin", "Beatriz", "Benno", "Carla", "Chidi", "Clara",
    "Daniel", "Dilara", "Elias", "Emma", "Esra", "Farah", "Finn", "Frieda", "Gaël", "Hana",
    "Henrik", "Ida", "Ilse", "Ivan", "Jana", "Jonas", "Jürgen", "Kenji", "Klára", "Lea", "Liam",
    "Lucía", "Luka", "Mahmoud", "Maja", "Marco", "Mei", "Mia", "Milan", "Nadia", "Noah", "Nora",
    "Olivia", "Omar", "Paula", "Pavel", "Priya", "Rosa", "Ruben", "Samira", "Sofia", "Søren",
    "Theo", "Tomasz", "Uma", "Valentin", "Wanda", "Yusuf", "Zoë",
];

const LAST: &[&str] = &[
    "Albrecht",
    "Andersson",
    "Bauer",
    "Beck",
    "Brandt",
    "Castillo",
    "Chen",
    "Costa",
    "Demir",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Franke",
    "García",
    "Groß",
    "Haddad",
    "Hoffmann",
    "Ivanova",
    "Jansen",
    "Kaya",
    "Keller",
    "Kim",
    "Kowalski",
    "Krüger",
    "Lange",
    "Lindner",
    "Lopes",
    "Meyer",
    "Moreau",
    "Müller",
    "Nakamura",
    "Nguyen",
    "Novák",
    "O'Brien",
    "Okafor",
    "Olsen",
    "Park",
    "Patel",
    "Petrov",
    "Richter",
    "Rossi",
    "Sato",
    "Schäfer",
    "Schmidt",
    "Silva",
    "Singh",
    "Smith",
    "Sommer",
    "Tanaka",
    "Vogel",
    "Wagner",
    "Weiß",
    "Williams",
    "Wolf",
    "Yılmaz",
    "Zimmermann",
];

/// Chance from a seed: the same seed gives the same story.
pub(super) struct Chance(Entropy);

impl Chance {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(Entropy::seeded(seed))
    }

    /// A number from 0 up to, not including, 1.
    pub(super) fn unit(&mut self) -> f64 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }

    /// Whether something with a probability happens.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// An exponentially distributed number with a mean.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// One of several.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "small and not negative"
        )]
        let index = (self.unit() * items.len() as f64) as usize;
        &items[index.min(items.len() - 1)]
    }
}

/// A name and an address that nobody has.
pub(super) fn person(chance: &mut Chance) -> (String, String) {
    let (first, last) = (*chance.pick(FIRST), *chance.pick(LAST));
    let plain = |name: &str| -> String {
        let spelled = name
            .to_lowercase()
            .replace('ß', "ss")
            .replace('ü', "ue")
            .replace('ö', "oe")
            .replace('ä', "ae");
        spelled.chars().filter(char::is_ascii_alphabetic).collect()
    };
    let host = chance.pick(&["example.com", "example.org", "example.net"]);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "below a hundred"
    )]
    let number = (chance.unit() * 100.0) as u8;
    (
        format!("{first} {last}"),
        format!("{}.{}{number}@{host}", plain(first), plain(last)),
    )
}
