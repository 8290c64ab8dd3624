// p-queue, as its readme has it: URL COUNT RATE BURST; a RATE of 0 is not known, and ten are
// asked at once. A refusal is asked again, for a minute at most.
import PQueue from 'p-queue';

const [url, count, rate] = [process.argv[2], +process.argv[3], +process.argv[4]];
// Evenly spaced: as a window of a second with `rate` in it, a server that counts otherwise refuses.
const queue = new PQueue(rate ? { interval: 1000 / rate, intervalCap: 1 } : { concurrency: 10 });
const end = Date.now() + 60_000;
let answered = 0;
const ask = async () => {
  const response = await fetch(url);
  await response.text();
  if (response.status !== 429) answered += 1;
  else if (Date.now() < end) queue.add(ask);
};
for (let i = 0; i < count; i += 1) queue.add(ask);
await queue.onIdle();
console.log(JSON.stringify({ answered }));
