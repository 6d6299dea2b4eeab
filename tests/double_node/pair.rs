//! A real Redis and the double beside it, and pairs of connections: one to each.

use std::net::SocketAddr;

use crate::compare::{Varies, difference};
use crate::frame::Frame;
use crate::real::Real;
use crate::subject::Subject;
use crate::wire::{NoReply, Wire};

pub struct Pair {
    real: Real,
    double: Subject,
    /// Does what is needed between cases, in RESP2 and database 0.
    control: Twin,
}

/// A connection to each of the two.
pub struct Twin {
    pub real: Wire,
    pub double: Wire,
}

/// In what the two servers differ.
#[derive(Debug)]
pub struct Problem {
    pub why: String,
    /// What each of them said.
    pub real: Vec<u8>,
    pub double: Vec<u8>,
}

impl Problem {
    pub fn new(why: impl Into<String>) -> Problem {
        Problem {
            why: why.into(),
            real: Vec::new(),
            double: Vec::new(),
        }
    }

    pub fn between(why: String, real: &Frame, double: &Frame) -> Problem {
        let mut problem = Problem::new(why);
        real.write(&mut problem.real);
        double.write(&mut problem.double);
        problem
    }
}

impl Pair {
    pub fn start() -> Pair {
        Pair::of(Real::start(), Subject::start())
    }

    pub fn of(real: Real, double: Subject) -> Pair {
        // No client that a case sees has an id of one digit: so a case can mask ids and nothing else.
        for _ in 0..10 {
            let twin = Twin::connect(real.address(), double.address()).unwrap();
            twin.close().unwrap();
        }
        let control = Twin::connect(real.address(), double.address()).unwrap();
        Pair {
            real,
            double,
            control,
        }
    }

    /// Fresh connections that speak this protocol.
    pub fn connect(&self, protocol: u8) -> Result<Twin, Problem> {
        let mut twin = Twin::connect(self.real.address(), self.double.address())?;
        if protocol == 3 {
            twin.send_both(b"HELLO 3\r\n")?;
            let (real, double) = twin.read()?;
            if real.kind != b'%' || double.kind != b'%' {
                return Err(Problem::between(
                    "HELLO 3 is refused".to_owned(),
                    &real,
                    &double,
                ));
            }
        }
        Ok(twin)
    }

    /// Runs a command between cases, on both. What the double does not know yet is no problem here: the cases tell.
    pub fn control<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<(Frame, Frame), Problem> {
        self.control.send_both(&crate::wire::command(args))?;
        self.control.read()
    }

    /// The same with another command for each.
    pub fn control_each(&mut self, real: &[u8], double: &[u8]) -> Result<(), Problem> {
        self.control.send(real, double)?;
        self.control.read().map(|_| ())
    }

    /// A control connection that works, also where a case has killed the last one.
    pub fn revive(&mut self) -> Result<(), Problem> {
        if self.control(&["PING"]).is_err() {
            self.control = Twin::connect(self.real.address(), self.double.address())?;
        }
        Ok(())
    }

    /// Returns when both servers have done all that they were sent before, on any connection.
    pub fn settle(&mut self) -> Result<(), Problem> {
        // What came first is done first; twice, for a server that takes the connections in another order within one round.
        self.control(&["PING"])?;
        self.control(&["PING"]).map(|_| ())
    }
}

impl Twin {
    fn connect(real: SocketAddr, double: SocketAddr) -> Result<Twin, Problem> {
        let connect = |whose: &str, address| {
            Wire::connect(address).map_err(|error| Problem::new(format!("{whose}: {error}")))
        };
        Ok(Twin {
            real: connect("redis", real)?,
            double: connect("the double", double)?,
        })
    }

    pub fn send_both(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.send(bytes, bytes)
    }

    pub fn send(&mut self, real: &[u8], double: &[u8]) -> Result<(), Problem> {
        let failed = |whose: &str, error| Problem::new(format!("sending to {whose}: {error}"));
        self.real
            .send(real)
            .map_err(|error| failed("redis", error))?;
        self.double
            .send(double)
            .map_err(|error| failed("the double", error))
    }

    /// One reply of each.
    pub fn read(&mut self) -> Result<(Frame, Frame), Problem> {
        match (self.real.read(), self.double.read()) {
            (Ok(real), Ok(double)) => Ok((real, double)),
            (real, double) => Err(unlike(
                "reply",
                real.map(|frame| {
                    let mut bytes = Vec::new();
                    frame.write(&mut bytes);
                    bytes
                }),
                double.map(|frame| {
                    let mut bytes = Vec::new();
                    frame.write(&mut bytes);
                    bytes
                }),
            )),
        }
    }

    /// Both hang up, and said the same before that.
    pub fn closed(&mut self) -> Result<(), Problem> {
        match (self.real.until_closed(), self.double.until_closed()) {
            (Ok(real), Ok(double)) if real == double => Ok(()),
            (real, double) => Err(unlike("end", real, double)),
        }
    }

    /// Hangs up on both, and waits until they have noticed.
    pub fn close(self) -> Result<(), Problem> {
        match (self.real.close(), self.double.close()) {
            (Ok(()), Ok(())) => Ok(()),
            (real, double) => Err(unlike(
                "end",
                real.map(|()| Vec::new()),
                double.map(|()| Vec::new()),
            )),
        }
    }

    /// What was not read is the same on both. A push may be later on one of them, but not by much.
    pub fn same_unread(&mut self) -> Result<(), Problem> {
        for _ in 0..50 {
            if self.real.unread() == self.double.unread() {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        Err(Problem {
            why: "what is left unread at the end differs".to_owned(),
            real: self.real.unread().to_vec(),
            double: self.double.unread().to_vec(),
        })
    }
}

fn unlike(what: &str, real: Result<Vec<u8>, NoReply>, double: Result<Vec<u8>, NoReply>) -> Problem {
    let mut whys = Vec::new();
    let mut said = |whose: &str, side: Result<Vec<u8>, NoReply>| match side {
        Ok(bytes) => bytes,
        Err(NoReply { why, so_far }) => {
            whys.push(format!("no {what} of {whose}: {why}"));
            so_far
        }
    };
    let (real, double) = (said("redis", real), said("the double", double));
    let why = if whys.is_empty() {
        "they said something else".to_owned()
    } else {
        whys.join("; ")
    };
    Problem { why, real, double }
}

/// The two replies are the same, but for what varies.
pub fn check(real: &Frame, double: &Frame, varies: &[Varies]) -> Result<(), Problem> {
    match difference(real, double, varies) {
        None => Ok(()),
        Some(why) => Err(Problem::between(why, real, double)),
    }
}
