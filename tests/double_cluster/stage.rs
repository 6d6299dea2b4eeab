//! Where a scenario is played: nodes in cluster mode, real or simulated.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::frame::Frame;

/// Nodes that were started empty. Each has a number, from 0.
pub trait Stage {
    /// What nodes tell each other of where a node is.
    fn place(&self, node: usize) -> Place;

    /// A command on one of a node's two connections. An error says why there is no reply.
    fn call(&mut self, node: usize, by: By, words: &[Vec<u8>]) -> Result<Frame, String>;

    /// An orderly end, as SHUTDOWN.
    fn stop(&mut self, node: usize);

    /// An end without a word, as `kill -9`.
    fn kill(&mut self, node: usize);

    /// Starts a node that is not running, with the configuration that it had.
    fn start(&mut self, node: usize);

    /// The node does nothing any more, and its connections stay.
    fn freeze(&mut self, node: usize);

    /// A frozen node goes on.
    fn thaw(&mut self, node: usize);

    /// From now on, what nodes of different groups send each other does not arrive. Clients reach all of them.
    fn cut(&mut self, groups: &[Vec<usize>]);

    /// All reach each other again.
    fn heal(&mut self);

    /// The time since some moment, as it passes for the nodes.
    fn now(&self) -> Duration;

    /// Lets this much time pass.
    fn pause(&mut self, time: Duration);

    /// The last lines of what a node has logged.
    fn log(&self, node: usize) -> String;
}

/// On which connection a command is sent: what a scenario does to its own, READONLY for instance, the observer must not feel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Scenario,
    Observer,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub ip: Ipv4Addr,
    pub port: u16,
    pub bus: u16,
}
