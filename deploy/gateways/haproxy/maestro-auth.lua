-- Asks Maestro Auth whether a request may pass, for haproxy.cfg.
--
-- Nothing of the client's goes there but what decides: no body, and of the headers the token, and the id by which to find
-- the request in the logs. A 200 sets txn.auth_user_id and its likes; a 401 or 403 ends the request with that answer.
-- Anything else sets nothing, of which haproxy.cfg makes a 503.

local VERIFY = "http://127.0.0.1:8001/api/v1/auth/verify"
local AT_MOST = 3000 -- milliseconds; haproxy.cfg waits for less

local PASSED_ON = { "content-type", "www-authenticate", "cache-control", "x-request-id" }

-- All values of a header of the request, as a list.
local function values(headers, name)
    local list = {}
    for index = 0, #(headers[name] or {}) do
        list[#list + 1] = headers[name] and headers[name][index]
    end
    return list
end

local function ask(txn)
    local headers = txn.http:req_get_headers()
    return core.httpclient():get({
        url = VERIFY .. "?" .. (txn:get_var("txn.auth_demand") or ""),
        timeout = AT_MOST,
        headers = {
            ["host"] = { "maestro-auth" },
            ["authorization"] = values(headers, "authorization"),
            ["x-request-id"] = values(headers, "x-request-id"),
            ["x-forwarded-for"] = { txn.sf:src() },
        },
    })
end

local function first(answer, name)
    return answer.headers[name] and answer.headers[name][0] or ""
end

local function refuse(txn, answer)
    local reply = txn:reply({ status = answer.status, reason = answer.reason, body = answer.body })
    for _, name in ipairs(PASSED_ON) do
        local value = first(answer, name)
        if value ~= "" then
            reply:add_header(name, value)
        end
    end
    txn:done(reply)
end

core.register_action("maestro_auth_verify", { "http-req" }, function(txn)
    local answer = ask(txn)
    if answer.status == 200 then
        txn:set_var("txn.auth_user_id", first(answer, "x-auth-user-id"))
        txn:set_var("txn.auth_email", first(answer, "x-auth-email"))
        txn:set_var("txn.auth_roles", first(answer, "x-auth-roles"))
    elseif answer.status == 401 or answer.status == 403 then
        refuse(txn, answer)
    end
end)
