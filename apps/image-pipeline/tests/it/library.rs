//! The library, from Rust.

use std::fs;

use forebay::queue::WhenFull;
use image_pipeline::picture::{Settings, Size};
use image_pipeline::store::Folder;
use image_pipeline::{AddError, Builder, End, ImagePipeline, Input, LEAST_MEMORY, Name};

use crate::place::{Place, photos};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn builder(place: &Place) -> Builder {
    let settings = Settings { size: Size::Width(20), ..Settings::default() };
    ImagePipeline::builder(Folder::create(&place.path("out")).unwrap()).settings(settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_from_files_and_from_memory_have_one_outcome_each() {
    let place = Place::new();
    let (pipeline, mut results) = builder(&place).start().unwrap();
    let bytes = fs::read(photos("hopper.jpg")).unwrap();
    pipeline.add_image(Input::file(photos("retina.jpg"), name("a/retina.jpg"))).await.unwrap();
    pipeline.add_image(Input::bytes(bytes, name("hopper.jpg"))).await.unwrap();
    pipeline.add_image(Input::bytes(&b"no picture"[..], name("none.jpg"))).await.unwrap();
    let totals = pipeline.finish().await;
    assert_eq!((totals.written, totals.failed, totals.lost), (2, 1, 0));
    let mut ends = Vec::new();
    while let Some(outcome) = results.recv().await {
        ends.push((outcome.name.to_string(), matches!(outcome.end, End::Written(_))));
    }
    ends.sort();
    let expected = [("a/retina.jpg", true), ("hopper.jpg", true), ("none.jpg", false)];
    assert_eq!(ends, expected.map(|(name, is_written)| (name.to_owned(), is_written)));
    assert_eq!(place.files("out"), ["a/retina.jpg", "hopper.jpg"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_nobody_reads_stall_nothing_unless_that_was_chosen() {
    let place = Place::new();
    let (pipeline, _unread) = builder(&place).results(2, WhenFull::DropOldest).start().unwrap();
    for n in 0..40 {
        pipeline.add_image(Input::file(photos("hopper.jpg"), name(&format!("{n}.jpg")))).await.unwrap();
    }
    assert_eq!(pipeline.finish().await.written, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_begins_nothing_more_and_pictures_in_memory_are_bounded() {
    let place = Place::new();
    let (pipeline, mut results) = builder(&place).memory(LEAST_MEMORY).start().unwrap();
    let large = Input::bytes(vec![0; 16 << 20], name("large.jpg"));
    assert!(matches!(pipeline.add_image(large).await, Err(AddError::TooLarge { .. })));
    pipeline.stopper().stop();
    pipeline.add_image(Input::file(photos("hopper.jpg"), name("a.jpg"))).await.unwrap();
    let totals = pipeline.finish().await;
    assert_eq!((totals.not_started, totals.ended()), (1, 1));
    assert!(matches!(results.recv().await.unwrap().end, End::NotStarted));
}
