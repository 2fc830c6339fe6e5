//! On a server: at each request, by each way in which a connection can be cut, and at each call that says something.

use reaper_tests::{
    proof,
    proxy::{Cut, Proxy},
    setting::port,
};

use crate::{
    scene::{Scene, TICKS},
    strace::{self, Fault, Whom},
};

/// More requests than any run makes.
const ENDLESS: usize = 5_000;

/// Of so many requests a quick run takes one, beginning at any.
const STEP: usize = 5;

fn cut(cut: Cut) {
    let Some(scene) = Scene::on_server() else { return };
    let url = scene.database.url();
    let proxy = Proxy::start(port(url), url);
    let program = scene.through(proxy.port());
    for (tried, others) in proof::some_of(0..ENDLESS, STEP).enumerate() {
        let round = scene.round();
        proxy.cut_after(others, cut);
        // It may end well or not; what counts is what is in the database after others have looked too.
        let ended = program.run(&TICKS);
        let was_cut = proxy.has_cut();
        let point = format!("{cut:?} after {others} requests: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{point}");
        scene.ends_well(&round, &point);
        if !was_cut {
            assert!(others > 20, "two ticks that settle three jobs ask more than {others} times");
            proof::tried("requests at which a connection to PostgreSQL was cut", tried);
            return;
        }
    }
    panic!("it asks without end");
}

#[test]
fn f21_f22_whichever_answer_is_lost_all_is_settled_once() {
    cut(Cut::AnswerLost);
}

#[test]
fn f21_whichever_request_is_lost_all_is_settled_once() {
    cut(Cut::RequestLost);
}

#[test]
fn f21_whenever_its_backend_is_ended_all_is_settled_once() {
    cut(Cut::BackendEnded);
}

#[test]
fn f01_f02_f03_a_reaper_that_is_killed_at_any_request_leaves_the_rest_to_the_next() {
    if !strace::is_here() {
        return;
    }
    let Some(scene) = Scene::on_server() else { return };
    let mut tried = 0;
    for call in ["sendto", "recvfrom"] {
        for n in proof::some_of(1..ENDLESS, STEP) {
            let round = scene.round();
            let hit = strace::with_fault(Whom::All, &scene.program, &TICKS, call, n, Fault::Killed);
            let Some(hit) = hit else {
                scene.ends_well(&round, &format!("a run with fewer than {n} {call}"));
                break;
            };
            scene.ends_well(&round, &format!("killed at {call} {n}: {hit:?}"));
            tried += 1;
        }
    }
    assert!(tried > 5, "only {tried} calls");
    proof::tried("requests at which a reaper on PostgreSQL was killed", tried);
}
