-- wrk -s post.lua URL -- BODY-FILE CONTENT-TYPE: the same POST again and again.
function init(arguments)
    local file = assert(io.open(arguments[1], "rb"))
    wrk.method = "POST"
    wrk.body = file:read("*a")
    wrk.headers["Content-Type"] = arguments[2]
    file:close()
end
