//! Whole switches of several hosts, with real programs, while calls go through them and things break.
//!
//! A [`layout`] says in a line which hosts there are and what each is for; [`site`] builds it on [`hosts`] of its own, which are network
//! namespaces on one bridge; [`carriers`] is the load test on one more host; [`story`] breaks something and has the [`books`] compared,
//! the generator's calls with the switch's records and money, and each fault becomes a row of one [`table`].

pub mod books;
pub mod carriers;
pub mod hosts;
pub mod layout;
pub mod listening;
pub mod rows;
pub mod site;
pub mod story;
pub mod table;
