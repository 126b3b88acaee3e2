-- wrk: place orders of random customers; `done` prints one line for benchmarks/load.py.
local prefer = os.getenv("PREFER") or ""
local count_sent = os.getenv("COUNT_SENT") == "1"
local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

function init(args)
  math.randomseed(os.time() + number)
  sent = 0
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Authorization"] = "Bearer " .. os.getenv("TOKEN")
  if prefer ~= "" then wrk.headers["Prefer"] = prefer end
  if count_sent then
    response = function(status, headers, body)
      if string.find(body, '"sms_sent": ?true') then sent = sent + 1 end
    end
  end
end

function request()
  local body = string.format('{"customer_code": "CUST%04d", "item": "Laptop Computer", "amount": %d.99}',
                             math.random(1000), math.random(9999))
  return wrk.format(nil, nil, nil, body)
end

function done(summary, latency, requests)
  local sent = 0
  for _, thread in ipairs(threads) do sent = sent + (thread:get("sent") or 0) end
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.timeout + e.status, latency:percentile(99), sent))
end
