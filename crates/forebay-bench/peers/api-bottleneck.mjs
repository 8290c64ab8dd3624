// bottleneck, with the least time between two: URL COUNT RATE BURST. A refusal is asked again, for a minute at most.
import Bottleneck from 'bottleneck';

const [url, count, rate] = [process.argv[2], +process.argv[3], +process.argv[4]];
const limiter = new Bottleneck({ minTime: 1000 / rate });
const end = Date.now() + 60_000;
let answered = 0;
const ask = async () => {
  const response = await fetch(url);
  await response.text();
  if (response.status !== 429) answered += 1;
  else if (Date.now() < end) return limiter.schedule(ask);
};
await Promise.all(Array.from({ length: count }, () => limiter.schedule(ask)));
console.log(JSON.stringify({ answered }));
