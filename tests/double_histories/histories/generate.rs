//! Histories by chance.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::event::{Event, History, How, KEYS, Setup};

impl History {
    /// The history of this seed.
    pub fn of(seed: u64) -> History {
        let mut chance = StdRng::seed_from_u64(seed ^ 0x4869_7374);
        let masters = [3, 3, 3, 4, 5][chance.random_range(0..5)];
        let setup = Setup {
            seed,
            masters,
            replicas: if masters == 3 {
                chance.random_range(1..=2)
            } else {
                1
            },
            empty: 1,
            timeout: [500, 1000, 2000][chance.random_range(0..3)],
            delay: [400, 2000, 20_000][chance.random_range(0..3)],
            full_coverage: chance.random_bool(0.3),
            replica_migration: chance.random_bool(0.8),
            validity: [1, 1, 10][chance.random_range(0..3)],
        };
        let mut plan = Plan {
            setup,
            chance,
            events: Vec::new(),
        };
        plan.write(3);
        for _ in 0..plan.chance.random_range(3..=8) {
            plan.episode();
        }
        History {
            setup: plan.setup,
            events: plan.events,
        }
    }
}

struct Plan {
    setup: Setup,
    chance: StdRng,
    events: Vec<Event>,
}

impl Plan {
    fn add(&mut self, event: Event) {
        self.events.push(event);
    }

    fn node(&mut self) -> usize {
        self.chance.random_range(0..self.setup.nodes())
    }

    /// One that was a master or a replica in the beginning.
    fn member(&mut self) -> usize {
        self.chance
            .random_range(0..self.setup.nodes() - self.setup.empty)
    }

    fn master(&mut self) -> usize {
        self.chance.random_range(0..self.setup.masters)
    }

    /// One that was a replica of it in the beginning.
    fn replica_of(&mut self, master: usize) -> usize {
        let turn = self.chance.random_range(1..=self.setup.replicas);
        master + self.setup.masters * turn
    }

    fn wait(&mut self, from: u64, to: u64) {
        let time = self.chance.random_range(from..=to);
        self.add(Event::Wait(time));
    }

    /// Any time, short ones as likely as long ones.
    fn pause(&mut self) {
        let most = 1 << self.chance.random_range(0..13);
        self.wait(1, most);
    }

    /// Long enough for a node to be taken for failed, and for its replica to take over.
    fn long(&mut self) {
        let timeout = self.setup.timeout;
        self.wait(timeout, timeout * 5 + 3000);
    }

    fn write(&mut self, most: usize) {
        for _ in 0..self.chance.random_range(0..=most) {
            let key = self.chance.random_range(0..KEYS);
            let at = self.node();
            self.add(Event::Write { key, at });
            if self.chance.random_bool(0.3) {
                self.wait(1, 30);
            }
        }
    }

    /// A stretch of a history that has one subject; others may still be open when it begins.
    fn episode(&mut self) {
        match self.chance.random_range(0..20) {
            0..=2 => self.death(),
            3 | 4 => self.parting(),
            5 => self.one_way(),
            6 => self.freezing(),
            7 | 8 => self.operator_failover(),
            9 | 10 => self.moving(),
            11 => self.weather(),
            12 => self.changing(),
            13 => self.oddity(),
            14 => self.stale_replica(),
            15 => self.lagging_replica(),
            16 => self.quick_return(),
            17 | 18 => self.rivals(),
            _ => self.two_at_once(),
        }
        self.write(3);
        if self.chance.random_bool(0.4) {
            self.add(Event::Heal);
        }
        if self.chance.random_bool(0.5) {
            self.wait(500, 4000);
        }
    }

    fn death(&mut self) {
        let node = match self.chance.random_bool(0.7) {
            true => self.master(),
            false => self.node(),
        };
        let event = match self.chance.random_bool(0.7) {
            true => Event::Kill(node),
            false => Event::Stop(node),
        };
        self.add(event);
        self.write(2);
        match self.chance.random_bool(0.7) {
            true => self.long(),
            false => self.pause(),
        }
        if self.chance.random_bool(0.7) {
            self.write(2);
            self.add(Event::Start(node));
            self.pause();
        }
    }

    fn parting(&mut self) {
        let count = self.setup.nodes();
        let most = self.chance.random_range(1..=count / 2);
        let mut group: Vec<usize> = (0..most).map(|_| self.node()).collect();
        if self.chance.random_bool(0.4) {
            group = vec![self.master()];
        }
        group.sort_unstable();
        group.dedup();
        self.add(Event::Part(group));
        self.write(3);
        self.long();
        self.write(3);
        if self.chance.random_bool(0.3) {
            self.operator_failover();
            self.long();
        }
        self.add(Event::Heal);
        self.pause();
    }

    fn one_way(&mut self) {
        for _ in 0..self.chance.random_range(1..=3) {
            let (from, to) = (self.node(), self.member());
            self.add(Event::Cut(from, to));
            if self.chance.random_bool(0.3) {
                self.add(Event::Cut(to, from));
            }
        }
        self.long();
    }

    fn freezing(&mut self) {
        let node = self.member();
        self.add(Event::Freeze(node));
        self.write(2);
        match self.chance.random_bool(0.6) {
            true => self.long(),
            false => self.pause(),
        }
        self.add(Event::Thaw(node));
        self.write(2);
        self.pause();
    }

    fn operator_failover(&mut self) {
        let master = self.master();
        let node = match self.chance.random_bool(0.8) {
            true => self.replica_of(master),
            false => self.node(),
        };
        let how = [
            How::Manual,
            How::Manual,
            How::Manual,
            How::Force,
            How::Takeover,
        ][self.chance.random_range(0..5)];
        self.write(3);
        self.add(Event::Failover { node, how });
        for _ in 0..self.chance.random_range(0..4) {
            self.wait(1, 12);
            self.write(6);
        }
        self.pause();
    }

    fn moving(&mut self) {
        let key = self.chance.random_range(0..KEYS);
        let to = match self.chance.random_bool(0.4) {
            true => self.setup.nodes() - 1,
            false => self.master(),
        };
        let steps = [
            Event::Open { key, to },
            Event::Carry { key },
            Event::Close { key },
        ];
        for step in steps {
            self.add(step);
            let at = self.node();
            if self.chance.random_bool(0.5) {
                self.add(Event::Write { key, at });
            }
            match self.chance.random_range(0..12) {
                0..=5 => {}
                6..=8 => self.wait(1, 50),
                9 => self.death(),
                10 => self.operator_failover(),
                _ => self.parting(),
            }
        }
    }

    fn weather(&mut self) {
        match self.chance.random_bool(0.5) {
            true => {
                let share = self.chance.random_range(1..=40);
                self.add(Event::Lose(share));
            }
            false => {
                let (node, by) = (
                    self.node(),
                    self.chance.random_range(1..=self.setup.timeout),
                );
                self.add(Event::Slow(node, by));
            }
        }
        self.long();
    }

    /// Nodes come and go.
    fn changing(&mut self) {
        let node = match self.chance.random_bool(0.6) {
            true => self.setup.nodes() - 1,
            false => self.node(),
        };
        match self.chance.random_range(0..4) {
            0 | 1 => {
                let to = self.member();
                self.add(Event::Meet { node, to });
                self.wait(500, 3000);
                if self.chance.random_bool(0.4) {
                    let master = self.master();
                    self.add(Event::Follow { node, master });
                }
            }
            2 => {
                let hard = self.chance.random_bool(0.7);
                self.add(Event::Leave { node, hard });
                self.pause();
            }
            _ => {
                let master = self.master();
                self.add(Event::Follow { node, master });
            }
        }
        self.pause();
    }

    fn oddity(&mut self) {
        let node = self.member();
        let event = match self.chance.random_range(0..6) {
            0 | 1 => Event::Forget {
                at: self.member(),
                node,
            },
            2 => Event::Wipe(node),
            3 => Event::MeetNobody(node),
            4 => Event::Bump(node),
            _ => Event::Unassign {
                key: self.chance.random_range(0..KEYS),
            },
        };
        self.add(event);
        self.long();
    }

    /// A replica does not hear from its master for long, and then the master dies.
    fn stale_replica(&mut self) {
        let master = self.master();
        let replica = self.replica_of(master);
        self.add(Event::Cut(master, replica));
        self.add(Event::Cut(replica, master));
        self.wait(3000, 12_000);
        self.write(3);
        if self.chance.random_bool(0.7) {
            self.add(Event::Kill(master));
            self.long();
            self.long();
        }
    }

    /// One of a master's replicas has less of its data than the other one when the master dies.
    fn lagging_replica(&mut self) {
        let master = self.master();
        let replica = self.replica_of(master);
        self.add(Event::Cut(master, replica));
        for key in 0..KEYS {
            self.add(Event::Write { key, at: master });
        }
        self.wait(1, 200);
        self.add(Event::Kill(master));
        self.long();
        self.long();
    }

    /// Several want to be elected at the same time, and hear of each other late.
    fn rivals(&mut self) {
        let (one, other) = (self.master(), self.master());
        for master in [one, other] {
            let replica = self.replica_of(master);
            if self.chance.random_bool(0.7) {
                let by = self.chance.random_range(20..=400);
                self.add(Event::Slow(replica, by));
            }
        }
        self.add(Event::Kill(one));
        if self.chance.random_bool(0.6) {
            self.add(Event::Kill(other));
        }
        self.long();
        self.long();
        self.add(Event::Heal);
        for node in [one, other] {
            self.add(Event::Start(node));
        }
    }

    /// A node is started again before anybody has missed it.
    fn quick_return(&mut self) {
        let master = self.master();
        let node = match self.chance.random_bool(0.5) {
            true => master,
            false => self.replica_of(master),
        };
        self.write(3);
        let event = match self.chance.random_bool(0.5) {
            true => Event::Kill(node),
            false => Event::Stop(node),
        };
        self.add(event);
        self.pause();
        self.add(Event::Start(node));
        self.wait(1, 400);
        self.write(3);
        if node != master {
            self.add(Event::Failover {
                node,
                how: How::Manual,
            });
            self.write(3);
        }
        self.wait(1, 2500);
    }

    /// Two masters go at the same time, or all that matters for one.
    fn two_at_once(&mut self) {
        let (one, other) = (self.master(), self.master());
        self.add(Event::Kill(one));
        if self.chance.random_bool(0.5) {
            self.pause();
        }
        match self.chance.random_bool(0.5) {
            true => self.add(Event::Kill(other)),
            false => {
                let replica = self.replica_of(one);
                let how = [How::Force, How::Takeover][self.chance.random_range(0..2)];
                self.add(Event::Failover { node: replica, how });
            }
        }
        self.long();
        for node in [one, other] {
            self.add(Event::Start(node));
            self.pause();
        }
    }
}
