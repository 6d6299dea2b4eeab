//! Questions of `--cluster`, and answers that are typed at a terminal or come through a pipe.

use crate::both::{Which, call, is_here};
use crate::cluster::{PLAIN, Scenario, same};
use crate::nodes::{Kind, Nodes};
use crate::words::words;

#[test]
fn at_a_terminal() {
    let steps = &[
        "terminal: redis-cli --cluster create {a1} {a2} {a3} ?? no",
        "terminal: redis-cli --cluster create {a1} {a2} {a3} ?? ^D",
        "terminal: redis-cli --cluster create {a1} {a2} {a3} ?? YES",
        "terminal: redis-cli --cluster create {a1} {a2} {a3} ?? yes",
        "settle",
        "terminal: redis-cli --cluster check {a1}",
        "terminal: redis-cli --cluster reshard {a1} ?? 3 | {i2} | {i1} | {i3} | done | yes",
        "settle",
        "terminal: redis-cli --cluster reshard {a1} ?? 0 | -1 | many | 16385 |  | 2 |  | {i2} | {i2} | all | no",
        // Longer than there is room for: only five digits count.
        "terminal: redis-cli --cluster reshard {a1} ?? 000000003 | 0000012 | 000025 | {i2} | all | ye",
        "terminal: redis-cli --cluster reshard {a1} ?? 2 | {i2} | done",
        "terminal: redis-cli --cluster reshard {a1} ?? 2 | {i2} | nobody",
        "terminal: redis-cli --cluster reshard {a1} ?? 2 | nobody",
        // Whoever says that there is no more is asked again.
        "terminal: redis-cli --cluster reshard {a1} ?? ^D | 2 | ^D | {i2} | ^D | ^D | all | ^D",
        "terminal: redis-cli --cluster reshard {a1} --cluster-slots 1 ?? {i3} | {i1} | done | yes of course",
        "settle",
        "terminal: redis-cli --cluster reshard {a1} --cluster-to {i1} ?? 1 | all | yes",
        "settle",
        "terminal: redis-cli --cluster reshard {a1} --cluster-from {i2} ?? 1 | {i1} | yes",
        "settle",
        // key:1 is in slot 6657 of node 2, and nobody has a key of slot 6658.
        "2: SET key:1 x",
        "disown 6657",
        "terminal: redis-cli --cluster reshard {a1}",
        "terminal: redis-cli --cluster fix {a1} ?? no",
        "terminal: redis-cli --cluster fix {a1} ?? ^D",
        "terminal: redis-cli --cluster fix {a1} ?? yes",
        "settle",
        "terminal: redis-cli --cluster info {a1}",
    ];
    let scenario = Scenario {
        nodes: 3,
        steps,
        ..PLAIN
    };
    same("at_a_terminal", &scenario);
}

#[test]
fn through_a_pipe_at_once() {
    let steps = &[
        "redis-cli --cluster create {a1} {a2} {a3}",
        "redis-cli --cluster create {a1} {a2} {a3} << no\\n",
        "redis-cli --cluster create {a1} {a2} {a3} << y\\n",
        "redis-cli --cluster create {a1} {a2} {a3} << yes\\n",
        "settle",
        "redis-cli --cluster reshard {a1} --cluster-from {i1} --cluster-to {i2} --cluster-slots 2",
        "redis-cli --cluster reshard {a1} --cluster-from {i1} --cluster-to {i2} --cluster-slots 2 << no\\n",
        "redis-cli --cluster reshard {a1} --cluster-from {i1} --cluster-to {i2} --cluster-slots 2 << yes",
        "settle",
        "redis-cli --cluster reshard {a1} --cluster-from {i1} --cluster-to {i2} --cluster-slots 2 << yes, all of it\\n",
        "settle",
        // Slot 6657 has a key, slot 6658 has none: two questions.
        "2: SET key:1 x",
        "disown 6657 6658",
        "redis-cli --cluster fix {a1}",
        "redis-cli --cluster fix {a1} << no\\n",
        // The rest of a line answers the next question.
        "redis-cli --cluster fix {a1} << not yes\\n",
        // It gave a slot an owner: whether all know that is not the next call's question.
        "wait",
        "redis-cli --cluster fix {a1} << yes\\nyes\\n",
        "settle",
    ];
    let scenario = Scenario {
        nodes: 3,
        steps,
        // Which node gets a slot without keys is drawn by lot.
        mask: Some(
            "Covering slot 6658 with .*|^[123]: (MULTI|EXEC|CLUSTER (ADDSLOTS|DELSLOTS|BUMPEPOCH).*)|^id-[123] .*",
        ),
        ..PLAIN
    };
    same("through_a_pipe_at_once", &scenario);
}

/// redis-cli reads the answers to its first three questions in pieces of which it loses what is beyond, and asks without end then. Here each line is one
/// answer.
#[test]
fn all_answers_of_a_reshard_in_one_pipe() {
    if !is_here("all_answers_of_a_reshard_in_one_pipe") {
        return;
    }
    let nodes = Nodes::start(Kind::Real, 3, false, &[]);
    let ours = |line: &str, input: &str| {
        let said = call(
            Which::Ours,
            &words(&nodes.fill(line)),
            nodes.fill(input).as_bytes(),
        );
        (
            said.code,
            nodes.names(&String::from_utf8_lossy(&[said.out, said.err].concat())),
        )
    };
    let made = ours("--cluster create {a1} {a2} {a3}", "yes\n");
    assert_eq!(made.0, Some(0), "{}", made.1);
    nodes.settle();
    let (code, said) = ours("--cluster reshard {a1}", "3\n{i2}\n{i1}\ndone\nyes\n");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches(" to 127.0.1.2:port-2: ").count(), 3, "{said}");
    nodes.settle();
    let (code, said) = ours("--cluster reshard {a1}", "3\n{i2}\n{i1}\ndone\nno\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.ends_with("(yes/no)? "), "{said}");
    // Where answers are missing it says so, and ends.
    for input in ["", "3\n", "3\n{i2}\n", "3\n{i2}\n{i1}\n"] {
        let (code, said) = ours("--cluster reshard {a1}", input);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.ends_with("\n*** The input has ended, operation aborted.\n"),
            "{said}"
        );
    }
}
