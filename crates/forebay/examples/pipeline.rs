//! Images in a pipeline: an input queue of 10, four workers that process, a queue of 10, two workers that upload, and
//! the results, which nobody may lose.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;

use forebay::pool::{BoxError, Pipeline};
use forebay::queue::WhenFull;
use tokio::time::sleep;

struct Image {
    name: String,
    pixels: u32,
}

async fn process(image: Image) -> Result<Image, BoxError> {
    if image.pixels == 0 {
        return Err(format!("{} is empty", image.name).into());
    }
    sleep(Duration::from_millis(10)).await; // in a program: `|pool| pool.cpu(4)` and no await
    Ok(Image { pixels: image.pixels / 4, ..image })
}

async fn upload(image: Image) -> Result<String, BoxError> {
    sleep(Duration::from_millis(5)).await;
    Ok(format!("https://example.org/{}?pixels={}", image.name, image.pixels))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (pipeline, mut links) = Pipeline::builder()
        .queue(10)
        .stage("process", process, |pool| pool.workers(4))
        .queue(10)
        .stage("upload", upload, |pool| pool.workers(2).timeout(Duration::from_secs(30)))
        .results(10, WhenFull::Wait)
        .start()?;

    let reading = tokio::spawn(async move {
        let mut links_read = 0;
        while let Some(link) = links.recv().await {
            links_read += 1;
            if links_read % 10 == 0 {
                println!("{link}");
            }
        }
        links_read
    });
    for number in 0..50 {
        let image = Image { name: format!("{number}.jpeg"), pixels: number % 7 * 1000 };
        pipeline.produce(image).await?; // waits while ten are waiting
    }
    let report = pipeline.shutdown(Duration::from_secs(10)).await;
    println!("{report}");
    println!("{} links read", reading.await?);
    Ok(())
}
