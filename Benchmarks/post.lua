-- wrk -s post.lua URL -- BODY-FILE CONTENT-TYPE [varied]: the same POST again and again; varied: no two with the same head.
function init(arguments)
    local file = assert(io.open(arguments[1], "rb"))
    wrk.method = "POST"
    wrk.body = file:read("*a")
    wrk.headers["Content-Type"] = arguments[2]
    file:close()
    if arguments[3] then
        local count, before, behind = 0, wrk.format():match("^(.-\r\n)(.*)$")
        request = function()
            count = count + 1
            return before .. "X-Request: " .. count .. "\r\n" .. behind
        end
    end
end
