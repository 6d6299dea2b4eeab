//! *The* environment, for people: what stands, how it is, how to reach it.

use std::time::Duration;

use super::layout::{Page, one_line, together, wrap};
use super::style::{Paint, Style};
use super::words::{count, number, span};
use crate::cluster::Role;
use crate::engine::standing::{ClusterNow, LifeNow, NodeNow, Opinion, Remark, Survey};

/// What stands: the lab and since when, a line a node, the cluster, what is wrong. `width` is in columns. The text ends with a line break.
pub fn environment(survey: &Survey, style: Style, width: usize) -> String {
    let page = Page::new(style, width);
    let mut lines = heading(page, survey);
    lines.push(String::new());
    lines.extend(body(page, survey));
    text(lines)
}

/// The same without its heading, for below the lines that told how it was made.
pub fn environment_below(survey: &Survey, style: Style, width: usize) -> String {
    let page = Page::new(style, width);
    let mut lines = vec![String::new()];
    lines.extend(body(page, survey));
    text(lines)
}

/// How the environment is used: commands for this machine, and what comes next.
pub fn how_to_use(survey: &Survey, style: Style, width: usize) -> String {
    let page = Page::new(style, width);
    let mut lines = vec![String::new()];
    let one = survey.nodes.iter().find(|node| node.answers);
    let mut ways: Vec<(&str, String)> = Vec::new();
    let simulated = survey.is_simulated();
    // There is no docker that knows them.
    let prefix = if simulated { "labrunner do " } else { "" };
    if let Some(node) = one {
        ways.push((
            "reach it",
            format!("redis-cli -p {} CLUSTER NODES", node.port),
        ));
        if simulated {
            ways.push((
                "without it",
                format!("labrunner redis-cli -c -p {}", node.port),
            ));
        } else {
            ways.push((
                "",
                "(-c redirects to 172.30.0.11 to .18; on Linux that works)".to_owned(),
            ));
            ways.push((
                "or inside",
                format!(
                    "docker exec -it toolbox redis-cli -c -h {} -p {}",
                    node.name, node.port
                ),
            ));
        }
        ways.push((
            "change it",
            format!(
                "{prefix}docker stop {0}, {prefix}docker start {0}",
                node.name
            ),
        ));
    }
    if let Some(absent) = survey
        .nodes
        .iter()
        .find(|node| node.life == LifeNow::Absent)
    {
        let label = if one.is_some() { "" } else { "begin" };
        ways.push((
            label,
            match simulated {
                true => format!("{prefix}docker compose up -d {}", absent.name),
                false => format!(
                    "docker compose up -d {}   (where docker-compose.yml is)",
                    absent.name
                ),
            },
        ));
    }
    if one.is_some() {
        ways.push((
            "use it",
            "./app create-event --name Concert --seats 10   (or labrunner app …)".to_owned(),
        ));
    }
    if let Some(postgres) = &survey.postgres {
        ways.push((
            "its data",
            format!(
                "PGPASSWORD=app psql -h 127.0.0.1 -p {} -U app -c 'SELECT now()'",
                postgres.port
            ),
        ));
    }
    ways.push((
        "look at it",
        "labrunner status, labrunner cluster watch".to_owned(),
    ));
    ways.push(("remove it", "labrunner down".to_owned()));
    for (label, what) in ways {
        for (at, line) in wrap(&what, page.width - 14).iter().enumerate() {
            let label = format!("{:<10}", if at == 0 { label } else { "" });
            lines.push(format!(
                "  {}  {line}",
                page.style.paint(Paint::Faint, &label)
            ));
        }
    }
    text(lines)
}

fn text(lines: Vec<String>) -> String {
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn heading(page: Page, survey: &Survey) -> Vec<String> {
    let (title, file) = match &survey.lab {
        Some(lab) => {
            let title = one_line(&lab.title);
            let title = match lab.number {
                Some(number) => format!("Lab {number} {} {title}", page.style.dot()),
                None => title,
            };
            (title, one_line(&lab.file))
        }
        None => ("The course's environment".to_owned(), String::new()),
    };
    let since = Duration::from_secs(
        survey
            .seen_unix_seconds
            .saturating_sub(survey.made_unix_seconds),
    );
    let mut parts = vec![survey.backend.clone()];
    parts.push(match survey.is_simulated() {
        true => survey.image.clone(),
        false => format!("image {}", survey.image),
    });
    parts.extend(survey.server.clone());
    parts.push(together(&format!(
        "made {} UTC, {} ago",
        moment(survey.made_unix_seconds),
        span(since)
    )));
    let parts = parts.join(&format!(" {} ", page.style.dot()));
    let mut lines = vec![page.spread(
        "",
        (&title, Some(Paint::Strong)),
        (&file, Some(Paint::Faint)),
    )];
    lines.extend(
        wrap(&parts, page.width - 2)
            .iter()
            .map(|line| format!("  {}", page.style.paint(Paint::Faint, line))),
    );
    lines
}

fn body(page: Page, survey: &Survey) -> Vec<String> {
    let shown = |node: &&NodeNow| node.life != LifeNow::Absent || node.member;
    let mut rows: Vec<String> = survey.nodes.iter().filter(shown).map(row).collect();
    rows.extend(survey.postgres.as_ref().map(|postgres| {
        let life = match postgres.life {
            LifeNow::Absent => "removed",
            LifeNow::Paused => "frozen",
            LifeNow::Stopped => "stopped",
            LifeNow::Running => "running",
        };
        format!("postgres\t{}\t{life}", postgres.port)
    }));
    let mut lines: Vec<String> = page
        .table(&rows, page.width - 2)
        .iter()
        .map(|row| format!("  {}", row.trim_end()))
        .collect();
    let absent: Vec<&str> = survey
        .nodes
        .iter()
        .filter(|node| !shown(node))
        .map(|node| node.name.as_str())
        .collect();
    if !absent.is_empty() {
        let what = format!("not there: {}", absent.join(", "));
        lines.push(format!("  {}", page.style.paint(Paint::Faint, &what)));
    }
    if let Some(cluster) = &survey.cluster {
        lines.push(String::new());
        lines.extend(cluster_lines(page, cluster));
    }
    if !survey.faults.is_empty() || !survey.notes.is_empty() {
        lines.push(String::new());
    }
    for fault in &survey.faults {
        lines.extend(remark(page, &page.style.cross(), fault));
    }
    for note in &survey.notes {
        lines.extend(remark(page, &page.style.bang(), note));
    }
    lines
}

/// The cells of a node's line, with tabs between them.
fn row(node: &NodeNow) -> String {
    let life = match node.life {
        LifeNow::Absent => "removed",
        LifeNow::Paused => "frozen",
        LifeNow::Stopped => "stopped",
        LifeNow::Running if !node.answers => "no answer",
        LifeNow::Running => "running",
    };
    let opinion = match node.opinion {
        Opinion::Ok => "",
        Opinion::Suspected => ", suspected",
        Opinion::Failed => ", failed",
    };
    let role = match node.role {
        Some(Role::Master) => format!("master{opinion}"),
        Some(Role::Replica) => format!("replica{opinion}"),
        None if node.answers => "alone".to_owned(),
        None => String::new(),
    };
    let last = match (&node.master, node.slots.len()) {
        (Some(master), _) => {
            let link = match node.linked {
                Some(true) => ", link up",
                Some(false) => ", link down",
                None => "",
            };
            format!("of {master}{link}")
        }
        (None, 0) if node.role.is_some() => "no slots".to_owned(),
        (None, 0) => String::new(),
        (None, slots) => format!("{}: {}", count(slots, "slot"), node.slots),
    };
    format!("{}\t{}\t{life}\t{role}\t{last}", node.name, node.port)
}

fn cluster_lines(page: Page, cluster: &ClusterNow) -> Vec<String> {
    let (state, paint) = match cluster.ok {
        true => ("cluster_state:ok", Paint::Good),
        false => ("cluster_state:fail", Paint::Bad),
    };
    let parts = [
        state.to_owned(),
        format!(
            "{}, {}",
            count(cluster.masters, "master"),
            count(cluster.replicas, "replica")
        ),
        format!("{} slots assigned", number(cluster.slots_assigned as u64)),
        match cluster.disagreement {
            None => "all nodes agree".to_owned(),
            Some(_) => "the nodes disagree".to_owned(),
        },
    ]
    .map(|part| together(&part));
    let text = parts.join(&format!(" {} ", page.style.dot()));
    // Painted after it is wrapped: a colour takes no columns.
    wrap(&text, page.width - 2)
        .iter()
        .map(|line| format!("  {}", line.replace(state, &page.style.paint(paint, state))))
        .collect()
}

fn remark(page: Page, sign: &str, remark: &Remark) -> Vec<String> {
    let room = page.width - 6;
    let mut lines = Vec::new();
    for (at, line) in wrap(&one_line(&remark.what), room).iter().enumerate() {
        let lead = if at == 0 { sign } else { " " };
        lines.push(format!("  {lead} {line}"));
    }
    for line in wrap(&one_line(&remark.help), room) {
        lines.push(format!("    {}", page.style.paint(Paint::Strong, &line)));
    }
    lines
}

/// A moment in UTC: `2026-11-22 23:41`.
fn moment(unix_seconds: u64) -> String {
    let (days, seconds) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let (mut year, mut left) = (1970_u64, days);
    let leap = |year: u64| {
        (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
    };
    // A moment beyond all calendars is not worth counting the years to.
    while year < 9999 {
        let length = if leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    format!(
        "{year:04}-{month:02}-{:02} {:02}:{:02}",
        left + 1,
        seconds / 3600,
        seconds / 60 % 60
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::cluster::NodeName;
    use crate::engine::standing::{LabOf, PostgresNow, State};
    use crate::lab::environment::CourseNode;

    fn absent(node: CourseNode) -> NodeNow {
        NodeNow {
            name: node.name(),
            address: node.address(),
            port: node.port(),
            life: LifeNow::Absent,
            exit: None,
            answers: false,
            id: None,
            member: false,
            role: None,
            master: None,
            slots: "".parse().unwrap(),
            linked: None,
            opinion: Opinion::Ok,
        }
    }

    /// Three masters, two replicas, a node alone and a stopped one.
    fn survey() -> Survey {
        let mut nodes: Vec<NodeNow> = CourseNode::all().map(absent).collect();
        for node in nodes.iter_mut().take(6) {
            node.life = LifeNow::Running;
            node.answers = true;
            node.member = true;
        }
        for (at, slots) in ["0-5460", "5461-10922", "10923-16383"].iter().enumerate() {
            nodes[at].role = Some(Role::Master);
            nodes[at].slots = slots.parse().unwrap();
        }
        for (at, master) in [(3, "redis-1"), (4, "redis-2")] {
            nodes[at].role = Some(Role::Replica);
            nodes[at].master = Some(NodeName::new(master));
            nodes[at].linked = Some(at == 3);
        }
        nodes[5].member = false;
        nodes[6].life = LifeNow::Stopped;
        nodes[6].exit = Some(137);
        nodes[6].role = Some(Role::Master);
        nodes[6].member = true;
        nodes[6].opinion = Opinion::Failed;
        Survey {
            state: State::Well,
            lab: Some(LabOf {
                file: "labs/07-scale-down.yaml".to_owned(),
                number: Some(7),
                title: "Scaling down".to_owned(),
            }),
            backend: "docker".to_owned(),
            image: "redis:7.2".to_owned(),
            server: Some("redis 7.2.4".to_owned()),
            made_unix_seconds: 1_700_000_000,
            seen_unix_seconds: 1_700_000_725,
            nodes,
            postgres: None,
            cluster: Some(ClusterNow {
                ok: true,
                masters: 3,
                replicas: 2,
                slots_assigned: 16384,
                disagreement: None,
            }),
            faults: Vec::new(),
            notes: vec![Remark {
                what: "redis-7 is stopped (exit 137)".to_owned(),
                help: "`docker start redis-7` starts it".to_owned(),
            }],
        }
    }

    #[test]
    fn a_database_has_a_line_and_is_told_how_to_be_used() {
        let mut survey = survey();
        survey.postgres = Some(PostgresNow {
            port: 5433,
            life: LifeNow::Stopped,
            exit: Some(0),
        });
        let text = environment(&survey, Style::PLAIN, 100);
        let line = text.lines().find(|line| line.contains("postgres"));
        let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
        assert_eq!(words, ["postgres", "5433", "stopped"]);
        assert!(
            how_to_use(&survey, Style::PLAIN, 100).contains("psql -h 127.0.0.1 -p 5433 -U app")
        );
    }

    #[test]
    fn a_survey_reads() {
        let survey = survey();
        let text =
            environment(&survey, Style::PLAIN, 100) + &how_to_use(&survey, Style::PLAIN, 100);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_broken_one_reads_on_a_narrow_page_without_signs() {
        let mut survey = survey();
        survey.lab = None;
        survey.state = State::Broken;
        survey.faults = vec![Remark {
            what: "redis-2 says cluster_state:fail: redis-1 is down, which owns 5461 slots"
                .to_owned(),
            help: "a replica of it takes over within seconds, if it has one; else `docker start redis-1`"
                .to_owned(),
        }];
        if let Some(cluster) = &mut survey.cluster {
            cluster.ok = false;
            cluster.disagreement = Some("seen from redis-1: …".to_owned());
        }
        let style = Style {
            colour: false,
            unicode: false,
        };
        let text = environment(&survey, style, 60);
        insta::assert_snapshot!(text);
        assert!(text.lines().all(|line| line.chars().count() <= 60));
    }

    #[test]
    fn a_lab_without_nodes_says_how_to_begin() {
        let mut survey = survey();
        survey.nodes = CourseNode::all().map(absent).collect();
        survey.cluster = None;
        survey.notes.clear();
        let text =
            environment_below(&survey, Style::PLAIN, 100) + &how_to_use(&survey, Style::PLAIN, 100);
        insta::assert_snapshot!(text);
    }

    #[rstest]
    #[case(0, "1970-01-01 00:00")]
    #[case(951_782_399, "2000-02-28 23:59")]
    #[case(951_782_400, "2000-02-29 00:00")]
    #[case(1_700_000_000, "2023-11-14 22:13")]
    #[case(1_735_689_599, "2024-12-31 23:59")]
    #[case(4_107_542_400, "2100-03-01 00:00")]
    fn a_moment_reads(#[case] seconds: u64, #[case] text: &str) {
        assert_eq!(moment(seconds), text);
    }

    #[test]
    fn a_moment_beyond_all_calendars_does_not_hang() {
        assert!(moment(u64::MAX).starts_with("9999-"));
    }
}
