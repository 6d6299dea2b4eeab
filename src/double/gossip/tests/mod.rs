//! Nodes that talk to each other over a bus in memory.

mod bus;
mod cost;
mod failover;
mod faults;
mod joining;
mod operator;
mod sabotaged;
mod slots;
