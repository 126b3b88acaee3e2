-- wrk: GET random paths from the file PATHS.
local paths = {}
local seeds = 0

function setup(thread)
  seeds = seeds + 1
  thread:set("number", seeds)
end

function init(args)
  math.randomseed(os.time() + number)
  wrk.headers["Authorization"] = "Bearer " .. os.getenv("TOKEN")
  for line in io.lines(os.getenv("PATHS")) do table.insert(paths, line) end
end

function request()
  return wrk.format("GET", paths[math.random(#paths)])
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d 0\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.timeout + e.status, latency:percentile(99)))
end
