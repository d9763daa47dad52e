//! Users of a run (`-users`): each calls again once its call has ended, and there may be more or fewer of them as the run goes on.

use std::collections::VecDeque;

/// Users, from 1.
#[derive(Debug)]
pub struct Users {
    /// How many there are to be; `None` where a rate decides when calls are placed.
    wanted: Option<u64>,
    /// How many there are, with those whose call goes on.
    present: u64,
    /// How many there ever were.
    known: u64,
    idle: VecDeque<u64>,
    /// Who left, to come back before anybody new.
    away: Vec<u64>,
}

impl Users {
    /// So many, or none.
    pub fn new(wanted: Option<u64>) -> Users {
        Users { wanted, present: 0, known: 0, idle: VecDeque::new(), away: Vec::new() }
    }

    /// How many there are to be; `None` where a rate decides.
    pub fn wanted(&self) -> Option<u64> {
        self.wanted
    }

    /// From now on so many, at least one; nothing changes where a rate decides.
    pub fn set(&mut self, users: u64) {
        self.wanted = self.wanted.map(|_| users.max(1));
    }

    /// Somebody who is free to call.
    pub fn next(&mut self) -> Option<u64> {
        let wanted = self.wanted?;
        while self.present > wanted
            && let Some(user) = self.idle.pop_front()
        {
            self.present -= 1;
            self.away.push(user);
        }
        if self.present < wanted && self.idle.is_empty() {
            self.present += 1;
            return self.away.pop().or_else(|| {
                self.known += 1;
                Some(self.known)
            });
        }
        self.idle.pop_front()
    }

    /// Somebody's call has ended.
    pub fn free(&mut self, user: u64) {
        self.idle.push_back(user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_call_in_turns_and_come_and_go() {
        let mut users = Users::new(Some(2));
        assert_eq!([users.next(), users.next(), users.next()], [Some(1), Some(2), None]);
        users.free(1);
        users.free(2);
        assert_eq!(users.next(), Some(1));
        users.set(1);
        assert_eq!(users.next(), None, "one calls, one left");
        users.free(1);
        assert_eq!((users.next(), users.next()), (Some(1), None));
        users.set(3);
        assert_eq!([users.next(), users.next(), users.next()], [Some(2), Some(3), None]);
        users.set(0);
        assert_eq!(users.wanted(), Some(1));
        let mut none = Users::new(None);
        none.set(4);
        assert_eq!((none.wanted(), none.next()), (None, None));
    }
}
