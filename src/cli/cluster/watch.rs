//! `labrunner cluster watch`

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::super::exit_code::Exit;
use super::super::output::Output;
use crate::backend::{Backend, BackendError};
use crate::observe::picture::{Canvas, Picture};
use crate::report::{Redraw, Style, picture};
use crate::targets::{Sight, heading, watch};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Draw one picture and end
    #[arg(long)]
    once: bool,
}

/// Draws until somebody has had enough.
pub async fn run(
    arguments: &Arguments,
    backend: &Arc<dyn Backend>,
    output: Output,
    cancel: &CancellationToken,
) -> Result<Exit, BackendError> {
    let endless = Duration::MAX;
    if output.live && !arguments.once {
        let mut redraw = Redraw::new(console::Term::buffered_stdout(), output.style);
        let watched = watch(backend, endless, cancel, &mut |sight| {
            let lines = live_lines(sight, output.style, redraw.width());
            redraw.draw(lines).is_ok()
        })
        .await;
        // Nothing can be done for a terminal that is gone.
        let _ = redraw.leave();
        watched?;
    } else {
        let mut last: Option<Picture> = None;
        watch(backend, endless, cancel, &mut |sight| {
            let drawn = sight.picture(canvas(output.style, output.width));
            if last
                .as_ref()
                .is_some_and(|last| drawn.says_the_same_as(last))
            {
                return true;
            }
            let heading = (!arguments.once).then(|| heading(sight.after));
            let written = print(heading, &drawn, output.style);
            last = Some(drawn);
            !arguments.once && written.is_ok()
        })
        .await?;
    }
    Ok(if cancel.is_cancelled() {
        Exit::Interrupted
    } else {
        Exit::Passed
    })
}

fn canvas(style: Style, width: usize) -> Canvas {
    Canvas {
        width,
        unicode: style.unicode,
    }
}

fn live_lines(sight: &Sight, style: Style, width: usize) -> Vec<String> {
    let seconds = sight.after.as_secs();
    let mut lines = vec![format!(
        "watching for {:02}:{:02}, Ctrl-C ends it",
        seconds / 60,
        seconds % 60
    )];
    lines.push(String::new());
    lines.extend(picture(&sight.picture(canvas(style, width)), style));
    lines
}

fn print(heading: Option<String>, drawn: &Picture, style: Style) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if let Some(heading) = &heading {
        writeln!(out, "{heading}")?;
    }
    for line in picture(drawn, style) {
        writeln!(out, "{line}")?;
    }
    if heading.is_some() {
        writeln!(out)?;
    }
    out.flush()
}
