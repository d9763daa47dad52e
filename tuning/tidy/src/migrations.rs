//! Programs of two versions share a database while nodes are upgraded: its steps only add, and MariaDB's may be begun again.

use crate::{File, Finding};

/// Where the steps are, a folder for each database.
const FOLDER: &str = "controlplane/store/migrations";
/// Steps up to this one ran before there was the rule.
const BEFORE: u32 = 40;

/// What a statement may do to the database of a program that does not know it.
pub fn only_add(file: &File) -> Vec<Finding> {
    let is_new = number(file).is_some_and(|number| number > BEFORE);
    if !file.under(FOLDER) || !file.is(&["sql"]) || !is_new {
        return Vec::new();
    }
    let mut found = Vec::new();
    if !name(file).split_once('_').is_some_and(|(_, about)| about.starts_with("adds_")) {
        let says = "a step's name begins with `adds_`: older programs work with such alone";
        found.push(Finding::at(file, 1, says.into()));
    }
    let is_sqlite = file.path.contains("/sqlite/");
    let all = statements(&file.text);
    let made: Vec<&str> = all.iter().filter_map(|(_, text)| text.strip_prefix("CREATE TABLE IF NOT EXISTS ")).collect();
    let is_made = |table: &str| made.iter().any(|made| made.split([' ', '(']).next() == Some(table));
    for (line, text) in all.iter().filter(|(_, text)| !adds(text, is_sqlite, is_made)) {
        let begin: String = text.chars().take(60).collect();
        found.push(Finding::at(file, *line, format!("a step only adds, and may be begun again: {begin}")));
    }
    found
}

fn name(file: &File) -> &str {
    file.path.rsplit('/').next().unwrap_or_default()
}

fn number(file: &File) -> Option<u32> {
    name(file).split_once('_')?.0.parse().ok()
}

/// Each statement on one line, with the line where it begins. Comments are left out.
fn statements(text: &str) -> Vec<(usize, String)> {
    let (mut all, mut open) = (Vec::new(), (0, String::new()));
    for (index, line) in text.lines().enumerate() {
        let code = line.split("--").next().unwrap_or_default().trim();
        for (place, part) in code.split(';').enumerate() {
            if place > 0 && !open.1.is_empty() {
                all.push(core::mem::take(&mut open));
            }
            if open.1.is_empty() {
                open.0 = index + 1;
            } else if !part.is_empty() {
                open.1.push(' ');
            }
            open.1.push_str(part.trim());
        }
    }
    if !open.1.is_empty() {
        all.push(open);
    }
    all
}

/// SQLite carries a step out whole or not at all, so that there nothing need be there already.
fn adds(text: &str, is_sqlite: bool, is_made: impl Fn(&str) -> bool) -> bool {
    let begins = |all: &[&str]| all.iter().any(|begin| text.starts_with(begin));
    if let Some(rest) = ["INSERT IGNORE INTO ", "INSERT OR IGNORE INTO "].iter().find_map(|it| text.strip_prefix(it)) {
        return rest.split([' ', '(']).next().is_some_and(is_made);
    }
    if let Some(rest) = text.strip_prefix("ALTER TABLE ") {
        let begin = if is_sqlite { "ADD COLUMN " } else { "ADD COLUMN IF NOT EXISTS " };
        let clauses = rest.split_once(' ').map_or("", |(_, clauses)| clauses);
        let is_filled = |it: &str| !it.contains("NOT NULL") || it.contains(" DEFAULT ");
        return clauses_of(clauses).iter().all(|it| it.starts_with(begin) && is_filled(&it.replace("IF NOT", "")));
    }
    begins(&["CREATE TABLE IF NOT EXISTS ", "CREATE INDEX IF NOT EXISTS ", "CREATE OR REPLACE VIEW "])
        || is_sqlite && begins(&["DROP VIEW IF EXISTS ", "CREATE VIEW IF NOT EXISTS "])
}

/// What commas part that stand in no bracket.
fn clauses_of(text: &str) -> Vec<String> {
    let (mut all, mut depth) = (vec![String::new()], 0);
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                all.push(String::new());
                continue;
            }
            _ => {}
        }
        all.last_mut().expect("there is always one").push(letter);
    }
    all.iter().map(|clause| clause.trim().to_owned()).collect()
}
