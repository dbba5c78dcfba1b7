/* An open-loop generator: requests leave by the clock, whether or not earlier ones were answered, and each is timed from the instant it was
 * due. A server that stalls pays for every request that it delayed.
 *   pace PORT PATH CONNECTIONS RATE SECONDS BODY-FILE [HEADER …]
 * Prints one line of JSON: sent, answered, other than 2xx, rate, p50 p90 p99 p999 max in milliseconds. The first second is not counted. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { OUTSTANDING = 1024, INPUT = 65536 };

typedef struct {
    int socket, waits_to_send;
    double due[OUTSTANDING]; /* of the requests without an answer, a ring: answers come in order */
    unsigned first, count;
    long unsent;             /* bytes of the newest requests that the socket did not take yet */
    char input[INPUT];
    int held;
} Connection;

static char *request;
static long request_length;
static double *latencies;
static long answered, refused, sent, counted, overrun;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int connected(int port) {
    int socket_ = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(socket_, (struct sockaddr *)&address, sizeof address)) fail("connect");
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(socket_, F_SETFL, O_NONBLOCK);
    return socket_;
}

/* Sends what is due and not sent. Requests are alike, so the rest of one is the tail of the text. */
static void flush(Connection *connection) {
    while (connection->unsent > 0) {
        long offset = (request_length - connection->unsent % request_length) % request_length;
        ssize_t taken = send(connection->socket, request + offset, request_length - offset, MSG_NOSIGNAL);
        if (taken < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (taken <= 0) fail("send");
        connection->unsent -= taken;
    }
}

/* Says when the socket takes more of a large request. */
static void watch(int poll, Connection *connection) {
    int waits = connection->unsent > 0;
    if (waits == connection->waits_to_send) return;
    struct epoll_event event = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = connection};
    epoll_ctl(poll, EPOLL_CTL_MOD, connection->socket, &event);
    connection->waits_to_send = waits;
}

static void post(Connection *connection, double due) {
    sent++;
    if (connection->count == OUTSTANDING) {
        overrun++;
        return;
    }
    connection->due[(connection->first + connection->count++) % OUTSTANDING] = due;
    connection->unsent += request_length;
    flush(connection);
}

static void settle(Connection *connection, int status, double at, double from) {
    double due = connection->due[connection->first];
    connection->first = (connection->first + 1) % OUTSTANDING;
    connection->count--;
    answered++;
    refused += status < 200 || status > 299;
    if (due >= from) latencies[counted++] = (at - due) * 1000;
}

/* Takes whole answers off the input: head, Content-Length, body. */
static void take(Connection *connection, double from) {
    ssize_t length = recv(connection->socket, connection->input + connection->held, INPUT - 1 - connection->held, 0);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length <= 0) fprintf(stderr, "the server closed a connection\n"), exit(1);
    double at = now();
    connection->held += length;
    connection->input[connection->held] = 0;
    char *text = connection->input;
    for (;;) {
        char *body = strstr(text, "\r\n\r\n");
        if (!body || !connection->count) break;
        body += 4;
        char *field = strcasestr(text, "\r\ncontent-length:");
        long size = field && field < body ? atol(field + 17) : 0;
        if (body + size > connection->input + connection->held) break;
        settle(connection, atoi(text + 9), at, from);
        text = body + size;
    }
    connection->held -= text - connection->input;
    memmove(connection->input, text, connection->held);
}

static void compose(const char *path, const char *file, int headers, char **header) {
    FILE *body = fopen(file, "rb");
    if (!body) fail(file);
    fseek(body, 0, SEEK_END);
    long size = ftell(body);
    rewind(body);
    request = malloc(size + 4096);
    request_length = sprintf(request, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %ld\r\n", path, size);
    for (int i = 0; i < headers; i++) request_length += sprintf(request + request_length, "%s\r\n", header[i]);
    request_length += sprintf(request + request_length, "\r\n");
    if (fread(request + request_length, 1, size, body) != (size_t)size) fail(file);
    request_length += size;
    fclose(body);
}

int main(int count, char **arguments) {
    if (count < 7) return fprintf(stderr, "pace PORT PATH CONNECTIONS RATE SECONDS BODY-FILE [HEADER …]\n"), 64;
    int connections = atoi(arguments[3]), poll = epoll_create1(0);
    double rate = atof(arguments[4]), seconds = atof(arguments[5]);
    compose(arguments[2], arguments[6], count - 7, arguments + 7);
    latencies = malloc((size_t)(rate * (seconds + 1) + 1) * sizeof *latencies);
    Connection *all = calloc(connections, sizeof *all);
    for (int i = 0; i < connections; i++) {
        all[i].socket = connected(atoi(arguments[1]));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].socket, &event);
    }
    double began = now(), from = began + 1, end = from + seconds, next = began;
    struct epoll_event events[256];
    for (long turn = 0;;) {
        double at = now();
        for (; next <= at && next < end; next += 1 / rate) {
            Connection *connection = &all[turn++ % connections];
            post(connection, next);
            watch(poll, connection);
        }
        if (at > end && (answered + overrun == sent || at > end + 10)) break;
        struct timespec wait = {0, next < end ? (long)((next > at ? next - at : 0) * 1e9) : 1000000};
        if (wait.tv_nsec > 100000000) wait.tv_nsec = 100000000;
        int ready = epoll_pwait2(poll, events, 256, &wait, NULL);
        for (int i = 0; i < ready; i++) {
            Connection *connection = events[i].data.ptr;
            take(connection, from);
            flush(connection);
            watch(poll, connection);
        }
    }
    qsort(latencies, counted, sizeof *latencies, ascending);
#define AT(share) (counted ? latencies[(long)((counted - 1) * (share))] : -1)
    printf("{\"sent\":%ld,\"answered\":%ld,\"refused\":%ld,\"overrun\":%ld,\"rate\":%.0f,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}\n",
           sent, answered, refused, overrun, counted / seconds, AT(.5), AT(.9), AT(.99), AT(.999), AT(1));
    return answered != sent || refused;
}
