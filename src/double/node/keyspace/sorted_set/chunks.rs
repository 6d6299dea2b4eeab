//! How many entries stand in each of many chunks, and the sums of these: a Fenwick tree.

#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// `tree[i]` is the sum of as many counts as the lowest bit of `i + 1` says, the last of them count `i`.
    tree: Vec<usize>,
}

impl Counts {
    /// Counts anew: one step a chunk.
    pub fn rebuild(&mut self, counts: impl Iterator<Item = usize>) {
        self.tree.clear();
        self.tree.extend(counts);
        for at in 0..self.tree.len() {
            let above = at | (at + 1);
            if above < self.tree.len() {
                self.tree[above] += self.tree[at];
            }
        }
    }

    pub fn increase(&mut self, mut chunk: usize) {
        while let Some(sum) = self.tree.get_mut(chunk) {
            *sum += 1;
            chunk |= chunk + 1;
        }
    }

    pub fn decrease(&mut self, mut chunk: usize) {
        while let Some(sum) = self.tree.get_mut(chunk) {
            *sum -= 1;
            chunk |= chunk + 1;
        }
    }

    /// How many entries stand in the chunks before this one.
    pub fn before(&self, chunk: usize) -> usize {
        let mut sum = 0;
        let mut end = chunk;
        while end > 0 {
            sum += self.tree[end - 1];
            end &= end - 1;
        }
        sum
    }

    /// The chunk in which the entry of a rank stands, and its place in there. The number of chunks, if there is no such entry.
    pub fn find(&self, rank: usize) -> (usize, usize) {
        let mut chunk = 0;
        let mut rest = rank;
        let mut step = (self.tree.len() + 1).next_power_of_two();
        while step > 0 {
            let next = chunk + step;
            if next <= self.tree.len() && self.tree[next - 1] <= rest {
                rest -= self.tree[next - 1];
                chunk = next;
            }
            step /= 2;
        }
        (chunk, rest)
    }
}
