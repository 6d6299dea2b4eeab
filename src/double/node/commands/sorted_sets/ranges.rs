//! Members by rank, by score or by their bytes: ZRANGE, its older relatives, and ZRANGESTORE.

use std::ops::Range;

use super::{between, integer, lex_range, limits, score_range, store};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::sorted_set::{LexRange, ScoreRange, SortedSet};

pub(super) fn zrange(call: &mut Call<'_>) -> Outcome {
    show(call, Form::ANY)
}

pub(super) fn zrevrange(call: &mut Call<'_>) -> Outcome {
    show(call, Form::only(By::Rank, true))
}

pub(super) fn zrangebyscore(call: &mut Call<'_>) -> Outcome {
    show(call, Form::only(By::Score, false))
}

pub(super) fn zrevrangebyscore(call: &mut Call<'_>) -> Outcome {
    show(call, Form::only(By::Score, true))
}

pub(super) fn zrangebylex(call: &mut Call<'_>) -> Outcome {
    show(call, Form::only(By::Lex, false))
}

pub(super) fn zrevrangebylex(call: &mut Call<'_>) -> Outcome {
    show(call, Form::only(By::Lex, true))
}

pub(super) fn zrangestore(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let form = Form {
        stores: true,
        ..Form::ANY
    };
    let wanted = Wanted::read(&args[3..], form)?;
    let limits = limits(call);
    let mut new = SortedSet::new();
    if let Some(set) = call.read::<SortedSet>(args[2])? {
        let ranks = wanted.ranks(set);
        // How many they are Redis knows beforehand only of ranks. It shows in zeros with a sign, which a listpack does not keep.
        if matches!(wanted.span, Span::Ranks(..)) && ranks.len() > limits.entries {
            new.convert_to_skiplist();
        }
        for (member, score) in set.iter(ranks) {
            new.insert(member, score, limits);
        }
    }
    store(call, args[1], new, "zrangestore");
    Ok(())
}

fn show(call: &mut Call<'_>, form: Form) -> Outcome {
    let args = call.args;
    let wanted = Wanted::read(&args[2..], form)?;
    let Some((set, out)) = call.read_and_out::<SortedSet>(args[1])? else {
        call.out.array(0);
        return Ok(());
    };
    let ranks = wanted.ranks(set);
    let nested = wanted.with_scores && out.resp3;
    out.array(match wanted.with_scores && !nested {
        true => ranks.len() * 2,
        false => ranks.len(),
    });
    let write = |(member, score)| {
        if nested {
            out.array(2);
        }
        out.bulk(member);
        if wanted.with_scores {
            out.double(score);
        }
    };
    match wanted.downwards {
        false => set.iter(ranks).for_each(write),
        true => set.iter(ranks).rev().for_each(write),
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What a command leaves open to be said by its options.
#[derive(Debug, Clone, Copy)]
struct Form {
    /// `None`: BYSCORE and BYLEX say it.
    by: Option<By>,
    /// `None`: REV says it.
    downwards: Option<bool>,
    /// It makes a set of the range: scores come along, and there is no WITHSCORES.
    stores: bool,
}

impl Form {
    const ANY: Form = Form {
        by: None,
        downwards: None,
        stores: false,
    };

    fn only(by: By, downwards: bool) -> Form {
        Form {
            by: Some(by),
            downwards: Some(downwards),
            stores: false,
        }
    }
}

/// The members that a command is about.
struct Wanted<'a> {
    span: Span<'a>,
    downwards: bool,
    with_scores: bool,
    /// LIMIT: how many are passed over, and how many are taken then; negative: none at all, and all of them.
    offset: i64,
    limit: i64,
}

enum Span<'a> {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Members(LexRange<'a>),
}

impl<'a> Wanted<'a> {
    /// Reads `min max [option ...]`.
    fn read(words: &[&'a [u8]], form: Form) -> Result<Wanted<'a>, Failure> {
        let [min, max, options @ ..] = words else {
            return Err(Failure::SYNTAX);
        };
        let (mut by, mut downwards) = (form.by, form.downwards);
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let mut options = options.iter();
        while let Some(word) = options.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("WITHSCORES") && !form.stores {
                with_scores = true;
            } else if is("LIMIT")
                && let [first, second, ..] = options.as_slice()
            {
                offset = integer(first)?;
                limit = integer(second)?;
                options.nth(1);
            } else if is("REV") && form.downwards.is_none() {
                // Once it was said, it is no option any more for Redis.
                if downwards.replace(true).is_some() {
                    return Err(Failure::SYNTAX);
                }
            } else if is("BYLEX") && by.is_none() {
                by = Some(By::Lex);
            } else if is("BYSCORE") && by.is_none() {
                by = Some(By::Score);
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        let by = by.unwrap_or(By::Rank);
        let downwards = downwards.unwrap_or(false);
        if limit != -1 && by == By::Rank {
            return Err(Failure::text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Lex {
            return Err(Failure::text(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (low, high) = match downwards {
            true => (max, min),
            false => (min, max),
        };
        let span = match by {
            By::Rank => Span::Ranks(integer(min)?, integer(max)?),
            By::Score => Span::Scores(score_range(low, high)?),
            By::Lex => Span::Members(lex_range(low, high)?),
        };
        Ok(Wanted {
            span,
            downwards,
            with_scores,
            offset,
            limit,
        })
    }

    /// The ranks of the members. Where they are shown downwards, the last one is the first.
    fn ranks(&self, set: &SortedSet) -> Range<usize> {
        if let Span::Ranks(start, end) = self.span {
            let (first, count) = between(set.len(), start, end);
            let first = match self.downwards {
                true => set.len() - first - count,
                false => first,
            };
            return first..first + count;
        }
        let Ok(skip) = usize::try_from(self.offset) else {
            return 0..0;
        };
        let Range { start, end } = match &self.span {
            Span::Members(range) => set.lex_part(range, self.downwards, skip),
            Span::Scores(range) => {
                let Range { start, end } = set.score_ranks(range);
                match self.downwards {
                    true => start..end.saturating_sub(skip).max(start),
                    false => start.saturating_add(skip).min(end)..end,
                }
            }
            Span::Ranks(..) => 0..0,
        };
        let most = usize::try_from(self.limit).unwrap_or(usize::MAX);
        match self.downwards {
            true => start.max(end.saturating_sub(most))..end,
            false => start..end.min(start.saturating_add(most)),
        }
    }
}
