//! Randomness from the seed, in named sub-streams: a new draw in one place does not reshuffle what
//! is drawn elsewhere.

use portreeve_protocol::Sha256;

/// Where generators come from: one seed, any number of names.
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// The sub-streams of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The generator of the sub-stream `name`, at its beginning.
    #[must_use]
    pub fn stream(&self, name: &str) -> Rng {
        let digest = Sha256::of(format!("{}\n{name}", self.seed).as_bytes());
        let mut state = [0; 4];
        for (word, bytes) in state.iter_mut().zip(digest.as_bytes().chunks_exact(8)) {
            *word = bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        }
        // A state of zeros would stay zero for ever.
        state[0] |= 1;
        Rng { state }
    }
}

/// A generator: xoshiro256** by Blackman and Vigna. Integers only, so that every machine draws the
/// same.
#[derive(Debug, Clone)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The next 64 bits.
    pub const fn draw(&mut self) -> u64 {
        let [first, second, third, fourth] = self.state;
        let drawn = second.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let (third, fourth) = (third ^ first, fourth ^ second);
        self.state = [first ^ fourth, second ^ third, third ^ second << 17, fourth.rotate_left(45)];
        drawn
    }

    /// A number below `bound`, each as likely; 0 if the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product; the bias is below 2^-40 for the bounds in use.
        let product = u128::from(self.draw()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// Whether something happens that happens `parts` times in a thousand.
    pub fn chance(&mut self, parts: u64) -> bool {
        self.below(1_000) < parts
    }

    /// Any of `choices`; `None` if there is none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let bound = u64::try_from(choices.len()).unwrap_or_default();
        choices.get(usize::try_from(self.below(bound)).unwrap_or_default())
    }

    /// A number from `low` to `high`, both included, each as likely.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// A number from `low` to `high` whose order of magnitude is as likely as any other: delays are
    /// mostly short and sometimes very long.
    pub fn log_between(&mut self, low: u64, high: u64) -> u64 {
        let magnitude = self.between(u64::from(low.max(1).ilog2()), u64::from(high.max(1).ilog2()));
        let floor = 1_u64 << magnitude;
        self.between(floor, floor.saturating_mul(2).saturating_sub(1)).clamp(low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_and_name_always_draw_the_same() {
        let draw = |seed, name| {
            let mut rng = Streams::new(seed).stream(name);
            [rng.draw(), rng.draw(), rng.draw()]
        };
        assert_eq!(draw(1, "network"), draw(1, "network"));
        assert_ne!(draw(1, "network"), draw(2, "network"));
        assert_ne!(draw(1, "network"), draw(1, "disk"));
    }

    #[test]
    fn the_generator_is_xoshiro256_star_star() {
        let mut rng = Rng { state: [1, 2, 3, 4] };
        let drawn = [rng.draw(), rng.draw(), rng.draw(), rng.draw()];
        assert_eq!(drawn, [11_520, 0, 1_509_978_240, 1_215_971_899_390_074_240]);
    }

    #[test]
    fn numbers_stay_within_their_bounds_and_reach_them() {
        let mut rng = Streams::new(7).stream("bounds");
        let drawn: Vec<_> = (0..1_000).map(|_| rng.between(3, 5)).collect();
        assert!((3..=5).all(|number| drawn.contains(&number)));
        assert!(drawn.iter().all(|number| (3..=5).contains(number)));
        assert!((0..1_000).all(|_| (200..=5_000).contains(&rng.log_between(200, 5_000))));
        assert_eq!(rng.below(0), 0);
    }
}
