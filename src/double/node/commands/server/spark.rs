//! A graph of columns in plain characters, as LATENCY GRAPH draws it.

/// How high it is, in lines.
const ROWS: usize = 4;
/// What a column's top is drawn with, by thirds of a line.
const TOPS: [u8; 3] = *b"_o#";
/// Columns in one line; more go below.
const WIDTH: usize = 80;

/// Columns of these heights, each with its label below it, written downwards.
pub(super) fn drawn(columns: &[(i64, String)]) -> String {
    let least = columns.iter().map(|(height, _)| *height).min().unwrap_or(0);
    let most = columns.iter().map(|(height, _)| *height).max().unwrap_or(0);
    let span = (most - least).max(1);
    let steps = (ROWS * TOPS.len()) as i64;
    let mut text = Vec::new();
    for part in columns.chunks(WIDTH) {
        if !text.is_empty() {
            text.push(b'\n');
        }
        for row in 0..ROWS {
            let below = ((ROWS - row - 1) * TOPS.len()) as i64;
            for (height, _) in part {
                let step = ((height - least) * steps / span).clamp(0, steps - 1);
                text.push(match usize::try_from(step - below) {
                    Err(_) => b' ',
                    Ok(third) => TOPS.get(third).copied().unwrap_or(b'|'),
                });
            }
            text.push(b'\n');
        }
        let longest = part.iter().map(|(_, label)| label.len()).max();
        text.extend(std::iter::repeat_n(b' ', part.len()));
        text.push(b'\n');
        for line in 0..longest.unwrap_or(0) {
            for (_, label) in part {
                text.push(label.as_bytes().get(line).copied().unwrap_or(b' '));
            }
            text.push(b'\n');
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_on_their_labels() {
        let columns = [(0, "3s"), (5, "2s"), (10, "1s"), (2, "10s")];
        let columns = columns.map(|(height, label)| (height, label.to_owned()));
        let lines = [
            "  # ", " _| ", " || ", "_||#", "    ", "3211", "sss0", "   s", "",
        ];
        assert_eq!(drawn(&columns), lines.join("\n"));
    }

    #[test]
    fn one_column_is_low() {
        assert_eq!(drawn(&[(20, "0s".to_owned())]), " \n \n \n_\n \n0\ns\n");
    }
}
