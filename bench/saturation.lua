-- wrk's players: each has its own token and session, and counters that rise as a real one's do.
-- Arguments after "--": the file that `bench.load export` wrote, and the number of wrk's threads.
-- Each thread takes its own share of the players, so that no player has two heartbeats on the way
-- as long as there are more players than connections.

local threads_made = 0

function setup(thread)
   thread:set("thread_index", threads_made)
   threads_made = threads_made + 1
end

local players = {}
local turn = 0
local began = 0

function init(args)
   local path, threads = args[1], tonumber(args[2])
   local number = 0
   for line in io.lines(path) do
      if number % threads == thread_index then
         local head, body, seq, played = line:match("^(.-)\t(.-)\t(%d+)\t(%d+)$")
         table.insert(players, {
            head = head:gsub("\\r\\n", "\r\n"),
            body = body,
            seq = tonumber(seq),
            played = tonumber(played),
         })
      end
      number = number + 1
   end
   began = os.time()
end

function request()
   turn = turn % #players + 1
   local player = players[turn]
   player.seq = player.seq + 1
   local played = player.played + (os.time() - began) * 1000
   local body = string.format('%s%d,"played_ms":%d,"paused_ms":0,"position_ms":%d}',
      player.body, player.seq, played, played)
   return player.head .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests":%d,"microseconds":%d,"p50_us":%d,"p95_us":%d,"p99_us":%d,"max_us":%d,'
      .. '"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(95),
      latency:percentile(99), latency.max, errors.connect, errors.read, errors.write,
      errors.timeout, errors.status))
end
