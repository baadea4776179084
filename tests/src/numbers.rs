//! Numbers that look random and are the same in every run.

/// A generator (xorshift); the seed must not be 0.
#[derive(Clone, Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    /// The next number.
    pub fn any(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `most`, 0 if that is 0.
    pub fn below(&mut self, most: usize) -> usize {
        (self.any() % most.max(1) as u64) as usize
    }
}
