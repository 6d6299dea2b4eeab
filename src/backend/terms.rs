//! Two ways of naming the same things: the course's (`redis-1`, 172.30.0.11, 127.0.0.1:7001) and those of one environment
//! (`labrunner-x-redis-1`, 10.213.5.11).
//!
//! Labs, transcripts and checks speak the course's terms alone. What is run for them speaks the environment's, and what comes back is
//! put into the course's terms again. A whole address is an address: `172.30.0.11` is never found in `172.30.0.110` or in
//! `1.172.30.0.11`.

use std::borrow::Cow;

use super::subnet::Subnet;
use crate::cluster::NodeName;
use crate::lab::action::RedisCliCall;
use crate::lab::environment::{COURSE_SUBNET, CourseNode};

/// Ways to say "this machine", where the course's nodes are published.
const LOOPBACK: [&str; 2] = ["127.0.0.1", "localhost"];

/// How one environment calls what the course speaks of.
#[derive(Debug, Clone)]
pub(in crate::backend) struct Terms {
    /// What stands before every name of a container: `labrunner-x-`.
    pub(in crate::backend) prefix: String,
    /// Its network.
    pub(in crate::backend) subnet: Subnet,
    /// Its nodes have no network of their own: each is at the loopback address, at the course's port, and says so itself.
    pub(in crate::backend) loopback: bool,
}

impl Terms {
    /// The container of a node or service.
    pub(in crate::backend) fn container(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The network that the nodes are in.
    pub(in crate::backend) fn network(&self) -> String {
        self.container("labrunner-cluster")
    }

    /// The address of `node` in this environment's network.
    pub(in crate::backend) fn ip(&self, node: CourseNode) -> String {
        match self.loopback {
            true => LOOPBACK[0].to_owned(),
            false => self.subnet.node(node).to_string(),
        }
    }

    /// The node behind a container's name, if it is one of the eight.
    pub(in crate::backend) fn node_of(&self, container: &str) -> Option<NodeName> {
        container
            .strip_prefix(&self.prefix)
            .and_then(CourseNode::named)
            .map(CourseNode::name)
    }

    /// What a program of this environment printed, in the course's terms.
    pub(in crate::backend) fn to_course(&self, text: &str) -> String {
        let text = match self.loopback {
            true => Cow::Borrowed(text),
            false => replace_network(text, &self.subnet.to_string(), COURSE_SUBNET),
        };
        if self.prefix.is_empty() {
            text.into_owned()
        } else {
            text.replace(&self.prefix, "")
        }
    }

    /// A word or a text for a server of this environment: the course's addresses become this environment's.
    fn to_environment<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.loopback {
            return replace_network(text, COURSE_SUBNET, &self.subnet.to_string());
        }
        let to_loopback = |text: Cow<'t, str>, node: CourseNode| match replace_address(
            &text,
            &node.ip(),
            LOOPBACK[0],
        ) {
            Cow::Borrowed(_) => text,
            Cow::Owned(changed) => Cow::Owned(changed),
        };
        CourseNode::all().fold(Cow::Borrowed(text), to_loopback)
    }

    /// What is given to a command to read.
    pub(in crate::backend) fn stdin(&self, text: &str) -> String {
        self.to_environment(text).into_owned()
    }

    /// The nodes that a call reaches by a port of "this machine": `-p 7001`, `--cluster check 127.0.0.1:7001`.
    pub(in crate::backend) fn by_loopback(call: &RedisCliCall) -> Vec<CourseNode> {
        if call.cluster_mode {
            return call
                .words
                .iter()
                .filter_map(|word| loopback_word(word))
                .collect();
        }
        let loopback = call
            .host
            .as_deref()
            .is_none_or(|host| LOOPBACK.contains(&host));
        call.port
            .filter(|_| loopback)
            .and_then(CourseNode::on_port)
            .into_iter()
            .collect()
    }

    /// The arguments for redis-cli inside this environment's network.
    ///
    /// An administration command (`--cluster`) names nodes in words as `127.0.0.1:7001`, `redis-1:7001` or `172.30.0.11:7001`. A command for
    /// a server names them by address alone (`CLUSTER MEET 172.30.0.17 7007`); other words of it are data, and stay.
    ///
    /// A port of "this machine" that is among `refusing` stays as it is: inside the toolbox nobody serves on it either, so that redis-cli is
    /// refused at once and says what it says to a reader. By its address it would wait for an answer for many seconds.
    ///
    /// # Errors
    /// One sentence, when the call names no node of this environment.
    pub(in crate::backend) fn redis_cli(
        &self,
        call: &RedisCliCall,
        refusing: &[CourseNode],
    ) -> Result<Vec<String>, String> {
        let mut args = Vec::new();
        // With `--cluster` redis-cli takes the nodes from the words, and needs neither -h nor -p.
        if !call.cluster_mode || call.host.is_some() || call.port.is_some() {
            let host = match self.endpoint(call.host.as_deref(), call.port)? {
                _ if Self::by_loopback(call)
                    .iter()
                    .any(|node| refusing.contains(node)) =>
                {
                    call.host.clone()
                }
                host => Some(host),
            };
            args.extend(host.into_iter().flat_map(|host| ["-h".to_owned(), host]));
            args.extend(
                call.port
                    .into_iter()
                    .flat_map(|port| ["-p".to_owned(), port.to_string()]),
            );
        }
        args.extend(call.options.iter().cloned());
        if call.cluster_mode {
            args.push("--cluster".to_owned());
            args.extend(
                call.words
                    .iter()
                    .map(|word| self.address_word(word, refusing)),
            );
        } else {
            args.extend(
                call.words
                    .iter()
                    .map(|word| self.to_environment(word).into_owned()),
            );
        }
        Ok(args)
    }

    /// The host that `-h` and `-p` mean. A node that is named is asked on the port that is typed, even if it is another's: it then
    /// refuses, as it would refuse the reader.
    fn endpoint(&self, host: Option<&str>, port: Option<u16>) -> Result<String, String> {
        match (host, port) {
            (Some(host), _) if !LOOPBACK.contains(&host) => match CourseNode::at_host(host) {
                Some(node) => Ok(self.ip(node)),
                None => Err(format!("`-h {host}` is no node of this environment")),
            },
            (_, Some(port)) => match CourseNode::on_port(port) {
                Some(node) => Ok(self.ip(node)),
                None => Err(format!("no node of this environment serves on port {port}")),
            },
            (_, None) => Err("redis-cli without -h and -p means port 6379, on which no node of this environment serves".to_owned()),
        }
    }

    /// A word of an administration command.
    fn address_word(&self, word: &str, refusing: &[CourseNode]) -> String {
        if let Some((host, port, rest)) = host_and_port(word) {
            let loopback = loopback_word(word);
            let node = if LOOPBACK.contains(&host) {
                loopback
            } else {
                CourseNode::at_host(host).filter(|_| port.is_some())
            };
            if loopback.is_some_and(|node| refusing.contains(&node)) {
                return word.to_owned();
            }
            if let Some(node) = node {
                return format!("{}:{rest}", self.ip(node));
            }
        }
        self.to_environment(word).into_owned()
    }
}

/// The node that `127.0.0.1:7001` or `localhost:7001` means.
fn loopback_word(word: &str) -> Option<CourseNode> {
    let (host, port, _) = host_and_port(word)?;
    port.filter(|_| LOOPBACK.contains(&host))
        .and_then(CourseNode::on_port)
}

/// Takes `host:port` apart, or `host:port@bus` as CLUSTER NODES prints it: host, port, and everything after the host.
fn host_and_port(word: &str) -> Option<(&str, Option<u16>, &str)> {
    let (host, rest) = word.split_once(':')?;
    let port = rest.split_once('@').map_or(rest, |(port, _)| port);
    Some((host, port.parse().ok(), rest))
}

/// Replaces the network `from` by `to` in every whole IPv4 address in `text`. Both are the first three numbers: `172.30.0`.
fn replace_network<'t>(text: &'t str, from: &str, to: &str) -> Cow<'t, str> {
    let mut changed = String::new();
    let mut copied = 0;
    let mut searched = 0;
    while let Some(found) = text[searched..].find(from) {
        let start = searched + found;
        let end = start + from.len();
        searched = end;
        if begins_address(&text[..start]) && ends_address(&text[end..]) {
            changed.push_str(&text[copied..start]);
            changed.push_str(to);
            copied = end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    changed.push_str(&text[copied..]);
    Cow::Owned(changed)
}

/// Replaces the whole IPv4 address `from` by `to`.
fn replace_address<'t>(text: &'t str, from: &str, to: &str) -> Cow<'t, str> {
    let mut changed = String::new();
    let mut copied = 0;
    for (start, _) in text.match_indices(from) {
        let (before, after) = (&text[..start], &text[start + from.len()..]);
        let mut next = after.chars();
        let longer = match next.next() {
            Some('.') => next.next().is_some_and(|char| char.is_ascii_digit()),
            Some(char) => char.is_ascii_digit(),
            None => false,
        };
        if begins_address(before) && !longer && start >= copied {
            changed.push_str(&text[copied..start]);
            changed.push_str(to);
            copied = start + from.len();
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    changed.push_str(&text[copied..]);
    Cow::Owned(changed)
}

/// Whether an address can begin after `before`: it is not in the middle of a number, or of a longer run of numbers and dots.
fn begins_address(before: &str) -> bool {
    let mut last = before.chars().rev();
    match last.next() {
        Some('.') => !last.next().is_some_and(|char| char.is_ascii_digit()),
        Some(char) => !char.is_ascii_digit(),
        None => true,
    }
}

/// Whether `after` is the last number of an address, with its dot, and the address ends there.
fn ends_address(after: &str) -> bool {
    let Some(rest) = after.strip_prefix('.') else {
        return false;
    };
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, after) = rest.split_at(length);
    let mut next = after.chars();
    let longer = next.next() == Some('.') && next.next().is_some_and(|char| char.is_ascii_digit());
    number.parse::<u8>().is_ok() && !longer
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn terms() -> Terms {
        Terms {
            prefix: "labrunner-x-".to_owned(),
            subnet: "10.213.5".parse().expect("a subnet"),
            loopback: false,
        }
    }

    #[rstest]
    #[case::alone("10.213.5.11", "172.30.0.11")]
    #[case::with_port("a 10.213.5.11:7001@17001 b", "a 172.30.0.11:7001@17001 b")]
    #[case::quoted("\"10.213.5.18\"", "\"172.30.0.18\"")]
    #[case::at_the_end_of_a_sentence("at 10.213.5.11.", "at 172.30.0.11.")]
    #[case::after_dots("...10.213.5.11", "...172.30.0.11")]
    #[case::after_an_equals_sign("ip=10.213.5.11,port=7001", "ip=172.30.0.11,port=7001")]
    #[case::several(
        "10.213.5.11 10.213.5.12 10.213.5.1",
        "172.30.0.11 172.30.0.12 172.30.0.1"
    )]
    #[case::longer_before("110.213.5.11", "110.213.5.11")]
    #[case::longer_before_with_a_dot("1.10.213.5.11", "1.10.213.5.11")]
    #[case::longer_after("10.213.5.11.4", "10.213.5.11.4")]
    #[case::no_last_number("10.213.5", "10.213.5")]
    #[case::no_last_number_but_a_dot("10.213.5.", "10.213.5.")]
    #[case::another_network("10.213.50.11", "10.213.50.11")]
    #[case::no_address("10.213.5.256", "10.213.5.256")]
    #[case::names("labrunner-x-redis-1 and labrunner-x-toolbox", "redis-1 and toolbox")]
    #[case::other_letters("é10.213.5.11é", "é172.30.0.11é")]
    fn prints_in_the_courses_terms(#[case] printed: &str, #[case] course: &str) {
        assert_eq!(terms().to_course(printed), course);
    }

    fn call(host: Option<&str>, port: Option<u16>, words: &[&str]) -> RedisCliCall {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        RedisCliCall {
            host: host.map(str::to_owned),
            port,
            words,
            ..RedisCliCall::default()
        }
    }

    #[rstest]
    #[case::by_port(None, Some(7007), &["PING"], "-h 10.213.5.17 -p 7007 PING")]
    #[case::loopback(Some("127.0.0.1"), Some(7001), &["PING"], "-h 10.213.5.11 -p 7001 PING")]
    #[case::localhost(Some("localhost"), Some(7001), &["PING"], "-h 10.213.5.11 -p 7001 PING")]
    #[case::by_name(Some("redis-2"), Some(7002), &["PING"], "-h 10.213.5.12 -p 7002 PING")]
    #[case::by_address(Some("172.30.0.13"), Some(7003), &["PING"], "-h 10.213.5.13 -p 7003 PING")]
    #[case::a_node_on_anothers_port(Some("redis-2"), Some(7003), &["PING"], "-h 10.213.5.12 -p 7003 PING")]
    #[case::a_node_without_a_port(Some("redis-2"), None, &["PING"], "-h 10.213.5.12 PING")]
    #[case::meet(None, Some(7001), &["CLUSTER", "MEET", "172.30.0.17", "7007"], "-h 10.213.5.11 -p 7001 CLUSTER MEET 10.213.5.17 7007")]
    #[case::data_stays(None, Some(7001), &["SET", "k", "localhost:7001"], "-h 10.213.5.11 -p 7001 SET k localhost:7001")]
    #[case::data_in_the_courses_network_goes_both_ways(None, Some(7001), &["SET", "k", "http://172.30.0.12/x"], "-h 10.213.5.11 -p 7001 SET k http://10.213.5.12/x")]
    fn calls_redis_cli(
        #[case] host: Option<&str>,
        #[case] port: Option<u16>,
        #[case] words: &[&str],
        #[case] args: &str,
    ) {
        assert_eq!(
            terms()
                .redis_cli(&call(host, port, words), &[])
                .expect("a node")
                .join(" "),
            args
        );
    }

    #[rstest]
    #[case::no_port(
        None,
        None,
        "redis-cli without -h and -p means port 6379, on which no node of this environment serves"
    )]
    #[case::loopback_without_port(
        Some("localhost"),
        None,
        "redis-cli without -h and -p means port 6379, on which no node of this environment serves"
    )]
    #[case::another_port(None, Some(6379), "no node of this environment serves on port 6379")]
    #[case::another_host(
        Some("example.org"),
        Some(7001),
        "`-h example.org` is no node of this environment"
    )]
    #[case::another_address(
        Some("172.30.0.99"),
        Some(7001),
        "`-h 172.30.0.99` is no node of this environment"
    )]
    fn refuses_what_is_not_in_the_environment(
        #[case] host: Option<&str>,
        #[case] port: Option<u16>,
        #[case] why: &str,
    ) {
        assert_eq!(
            terms().redis_cli(&call(host, port, &["PING"]), &[]),
            Err(why.to_owned())
        );
    }

    #[rstest]
    #[case(&["check", "127.0.0.1:7001"], "--cluster check 10.213.5.11:7001")]
    #[case(&["check", "localhost:7001"], "--cluster check 10.213.5.11:7001")]
    #[case(&["check", "redis-1:7001"], "--cluster check 10.213.5.11:7001")]
    #[case(&["check", "172.30.0.11:7001@17001"], "--cluster check 10.213.5.11:7001@17001")]
    #[case(&["add-node", "172.30.0.18:7008", "172.30.0.17:7007", "--cluster-slave"], "--cluster add-node 10.213.5.18:7008 10.213.5.17:7007 --cluster-slave")]
    #[case(&["check", "127.0.0.1", "7001"], "--cluster check 127.0.0.1 7001")]
    #[case(&["check", "172.30.0.11", "7001"], "--cluster check 10.213.5.11 7001")]
    #[case(&["check", "localhost:6379"], "--cluster check localhost:6379")]
    #[case(&["check", "redis-1:x"], "--cluster check redis-1:x")]
    fn calls_cluster_administration(#[case] words: &[&str], #[case] args: &str) {
        let call = RedisCliCall {
            cluster_mode: true,
            ..call(None, None, words)
        };
        assert_eq!(
            terms().redis_cli(&call, &[]).expect("a node").join(" "),
            args
        );
    }

    #[rstest]
    #[case::by_port(call(None, Some(7002), &["PING"]), "-p 7002 PING")]
    #[case::localhost(call(Some("localhost"), Some(7002), &["PING"]), "-h localhost -p 7002 PING")]
    #[case::another(call(None, Some(7001), &["PING"]), "-h 10.213.5.11 -p 7001 PING")]
    #[case::by_address(call(Some("172.30.0.12"), Some(7002), &["PING"]), "-h 10.213.5.12 -p 7002 PING")]
    #[case::administration(
        RedisCliCall { cluster_mode: true, ..call(None, None, &["add-node", "127.0.0.1:7002", "127.0.0.1:7001"]) },
        "--cluster add-node 127.0.0.1:7002 10.213.5.11:7001"
    )]
    fn a_port_that_refuses_is_left_to_refuse(#[case] call: RedisCliCall, #[case] args: &str) {
        let refusing: Vec<CourseNode> = CourseNode::named("redis-2").into_iter().collect();
        assert_eq!(
            terms()
                .redis_cli(&call, &refusing)
                .expect("a node")
                .join(" "),
            args
        );
    }

    #[rstest]
    #[case(call(None, Some(7002), &["GET", "localhost:7001"]), "redis-2")]
    #[case(call(Some("redis-2"), Some(7002), &[]), "")]
    #[case(call(None, Some(6379), &[]), "")]
    #[case(RedisCliCall { cluster_mode: true, ..call(None, None, &["add-node", "localhost:7008", "127.0.0.1:7001"]) }, "redis-8 redis-1")]
    fn knows_which_ports_of_this_machine_are_meant(
        #[case] call: RedisCliCall,
        #[case] nodes: &str,
    ) {
        let names: Vec<String> = Terms::by_loopback(&call)
            .into_iter()
            .map(|node| node.name().to_string())
            .collect();
        assert_eq!(names.join(" "), nodes);
    }

    #[test]
    fn options_stand_before_the_command() {
        let call = RedisCliCall {
            options: vec!["-c".to_owned(), "--raw".to_owned()],
            ..call(None, Some(7001), &["GET", "k"])
        };
        assert_eq!(
            terms().redis_cli(&call, &[]).expect("a node").join(" "),
            "-h 10.213.5.11 -p 7001 -c --raw GET k"
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", dots in "[0-9.]{0,40}") {
            terms().to_course(&text);
            terms().to_course(&dots);
            terms().to_environment(&dots);
        }

        /// What went in comes back the same, wherever addresses of the course stand in it.
        #[test]
        fn there_and_back_is_the_same(text in "([a-z ,:\"]{1,5}172\\.30\\.0\\.(25[0-5]|1?[0-9]{1,2})){0,4}[a-z ]{0,4}") {
            let terms = terms();
            let there = terms.to_environment(&text).into_owned();
            prop_assert!(!there.contains("172.30.0."));
            prop_assert_eq!(terms.to_course(&there), text);
        }
    }
}
