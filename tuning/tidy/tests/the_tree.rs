//! Every rule, asked about the tree that this crate stands in.

use tidy::{File, Finding, edges, leftovers, migrations, purity, sizes, tree, words};

fn hold(rule: fn(&File) -> Vec<Finding>) {
    let files = tree::files(&tree::root());
    assert!(files.len() > 50, "only {} files were read: the tree was not found", files.len());
    let findings: Vec<String> = files.iter().flat_map(rule).map(|finding| finding.to_string()).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn no_package_leans_where_it_may_not() {
    hold(edges::check);
}

#[test]
fn deliberate_mistakes_stay_with_the_simulator() {
    hold(edges::mutants);
}

#[test]
fn every_row_of_the_layers_is_a_package() {
    let manifests: Vec<File> =
        tree::files(&tree::root()).into_iter().filter(|file| file.path.ends_with("Cargo.toml")).collect();
    for room in edges::ROOMS {
        let line = format!("name = \"{}\"", room.name);
        assert!(manifests.iter().any(|file| file.text.contains(&line)), "no package is called {}", room.name);
    }
}

#[test]
fn every_pure_crate_begins_with_no_std() {
    hold(purity::no_std);
}

#[test]
fn no_pure_crate_names_the_world() {
    hold(purity::world);
}

#[test]
fn unsafe_stays_at_home() {
    hold(purity::unsafe_at_home);
}

#[test]
fn no_function_is_over_the_limit() {
    hold(sizes::functions);
}

#[test]
fn no_file_is_over_the_limit() {
    hold(sizes::file);
}

#[test]
fn no_word_of_the_never_column_is_said() {
    hold(words::check);
}

#[test]
fn nothing_is_left_unfinished() {
    hold(leftovers::unfinished);
}

#[test]
fn no_path_of_one_machine_is_named() {
    hold(leftovers::machine_paths);
}

#[test]
fn lock_files_name_public_registries_only() {
    hold(leftovers::registries);
}

#[test]
fn there_is_no_mod_rs() {
    hold(leftovers::mod_rs);
}

#[test]
fn steps_of_the_database_only_add() {
    hold(migrations::only_add);
}
