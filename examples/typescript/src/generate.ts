/** Generate one video for an order: node dist/generate.js ORDER PROMPT [SECONDS] */
import type { GenerateVideoInput } from "./contract/input.js";
import { connect, generate, VideoFailed } from "./manxue.js";

const [order = "", prompt = "", seconds = "4"] = process.argv.slice(2);
const input: GenerateVideoInput = {
  request: { model: "sd2_manxue_720p", prompt, duration: Number(seconds) },
  // Suits the quick emulator of `manxue local`; leave it out with the real provider.
  poll: { first: "PT1S", interval: "PT1S" },
};

const client = await connect();
try {
  const { video } = await generate(client, order, input);
  console.log(video.uri);
} catch (error) {
  if (!(error instanceof VideoFailed)) throw error; // canceled, terminated, no way to the server
  const { type, message, problems } = error.failure;
  console.error(`${type}: ${message}`);
  for (const { field, rule, hint } of problems) console.error(`  ${field} (${rule}): ${hint}`);
  process.exitCode = 1;
} finally {
  await client.connection.close();
}
