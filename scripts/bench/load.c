/* load: asks a DNS server questions from a file, and prints one JSON line of figures.
 *
 *   load -d FILE -p PORT [-s ADDRESS] [-l SECONDS] [-w WARM_UP_MS] [-q WINDOW] [-c SOCKETS]
 *        [-r QUERIES_PER_SECOND] [-o FIRST_LINE] [-n QUERIES] [-t TIMEOUT_MS] [-g] [-e] [-T]
 *
 * FILE has one "name TYPE" a line.  Without -r the loop is closed: WINDOW queries are outstanding
 * over SOCKETS connected sockets at all times, which shows what the server can do.  With -r it is
 * open: queries leave at that rate whether or not replies come, and a latency counts from the
 * moment when the query was due, so that a stall of the server is not hidden by a stall of ours.
 *
 * With -n it asks that many and ends with the last reply, or when the rest is given up; there is no
 * warm-up then, and the rate is that until the last question left, since a reply that is repeated
 * after a second says nothing about it.
 *
 *   -g  bursts leave as one UDP_SEGMENT datagram (a cheaper sender; questions of one length)
 *   -e  with an EDNS OPT record           -T  over TCP, pipelined
 *
 * It spins and never sleeps: it needs a processor of its own.  A reply counts when its id is
 * outstanding; it is "wrong" when its question is not the one that was asked.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#define BATCH 64
#define REPLY_MAX 4096
#define QUERY_MAX 300
#define STREAM_MAX 131072

struct query { uint32_t offset; uint16_t length; };
struct slot { uint64_t since_ns; uint32_t query; uint16_t id; uint8_t is_busy; };
struct path {                       /* one socket and the queries outstanding on it */
    int fd, free_count, *free_slots;
    struct slot *slots;
    unsigned char *in, *out;        /* TCP: octets of an unfinished message, octets not yet taken */
    size_t in_size, out_size, out_done;
};
struct counts {
    uint64_t sent, received, lost, late, wrong, with_answer, octets, closed, cut_off, rcodes[16];
    uint64_t histogram[4096];       /* of latencies: 64 powers of two, 64 steps each */
};

static unsigned char *blob;         /* all the queries, one after the other */
static struct query *queries;
static size_t query_count, next_query;
static struct counts counts;
static struct sockaddr_in server = {.sin_family = AF_INET};
static uint64_t all_received, questions_left = UINT64_MAX, all_asked_ns, replies_by_then;
static int slots_per_path = 32, is_gso, has_edns, is_stream;

static void give_up(const char *what) { perror(what); exit(2); }

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int type_number(const char *text, size_t length) {
    static const struct { const char *text; int number; } known[] = {
        {"A", 1}, {"NS", 2}, {"CNAME", 5}, {"SOA", 6}, {"PTR", 12}, {"MX", 15}, {"TXT", 16},
        {"AAAA", 28}, {"SRV", 33}, {"DS", 43}, {"DNSKEY", 48}, {"ANY", 255}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].text) == length && !strncasecmp(known[i].text, text, length))
            return known[i].number;
    fprintf(stderr, "unknown type %.*s\n", (int)length, text);
    exit(2);
}

/* Compose one query into `to`; return its length. */
static size_t compose(unsigned char *to, const char *name, size_t length, int type) {
    static const unsigned char opt[11] = {0, 0, 41, 4, 208};
    unsigned char *at = to + 12;
    memset(to, 0, 12);
    to[2] = 1;                      /* RD: resolvers refuse without it */
    to[5] = 1;
    to[11] = has_edns;
    while (length) {
        const char *dot = memchr(name, '.', length);
        size_t label = dot ? (size_t)(dot - name) : length;
        if (label == 0 || label > 63) break;
        *at++ = label;
        memcpy(at, name, label);
        at += label;
        name += label + (dot != 0);
        length -= label + (dot != 0);
    }
    *at++ = 0;
    *at++ = type >> 8; *at++ = type; *at++ = 0; *at++ = 1;
    if (has_edns) { memcpy(at, opt, sizeof opt); at += sizeof opt; }
    return at - to;
}

static void read_queries(const char *file) {
    int fd = open(file, O_RDONLY);
    struct stat about;
    if (fd < 0 || fstat(fd, &about)) give_up(file);
    const char *text = mmap(0, about.st_size + 1, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED) give_up(file);
    const char *end = text + about.st_size;
    size_t lines = 1, used = 0;
    for (const char *at = text; at < end; at++) lines += *at == '\n';
    blob = malloc(about.st_size + lines * 64);
    queries = malloc(lines * sizeof *queries);
    for (const char *line = text; line < end;) {
        const char *stop = memchr(line, '\n', end - line);
        if (!stop) stop = end;
        const char *blank = memchr(line, ' ', stop - line);
        if (blank && blank > line && blank - line <= 255) {
            size_t length = compose(blob + used, line, blank - line,
                                    type_number(blank + 1, stop - blank - 1));
            queries[query_count++] = (struct query){used, length};
            used += length;
        }
        line = stop + 1;
    }
    close(fd);
    if (!query_count) { fprintf(stderr, "%s: no queries\n", file); exit(2); }
}

static void connect_path(struct path *path) {
    int size = 4 << 20, one = 1;
    path->fd = socket(AF_INET, is_stream ? SOCK_STREAM : SOCK_DGRAM, 0);
    setsockopt(path->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(path->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (connect(path->fd, (void *)&server, sizeof server)) give_up("connect");
    fcntl(path->fd, F_SETFL, O_NONBLOCK);
    if (is_stream) setsockopt(path->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void open_path(struct path *path) {
    connect_path(path);
    path->free_count = slots_per_path;
    path->free_slots = malloc(slots_per_path * sizeof(int));
    path->slots = calloc(slots_per_path, sizeof(struct slot));
    path->in = malloc(STREAM_MAX);
    path->out = malloc(STREAM_MAX);
    for (int i = 0; i < slots_per_path; i++) {
        path->free_slots[i] = slots_per_path - 1 - i;
        path->slots[i].id = i;
    }
}

/* The server closed the connection, as some do after so many queries: a client opens another. */
static void open_again(struct path *path) {
    close(path->fd);
    connect_path(path);
    counts.closed++;
    path->in_size = path->out_size = path->out_done = 0;
    for (int i = 0; i < slots_per_path; i++)
        if (path->slots[i].is_busy) {
            path->slots[i].is_busy = 0;
            path->free_slots[path->free_count++] = i;
            counts.cut_off++;
        }
}

/* Steps of 1/64 of a power of two, so that a percentile is right to 1.6 %. */
static unsigned step_of(uint64_t ns) {
    int shift = ns < 64 ? 0 : 58 - __builtin_clzll(ns);
    return (shift * 64 + ((ns >> shift) & 63)) & 4095;
}

static double percentile_us(double share) {
    uint64_t total = 0, seen = 0;
    for (int i = 0; i < 4096; i++) total += counts.histogram[i];
    for (int i = 0; i < 4096; i++)
        if ((seen += counts.histogram[i]) > (uint64_t)(total * share))
            return ((double)(i % 64) * (1ull << (i / 64))) / 1e3;
    return 0;
}

static void take_reply(struct path *path, const unsigned char *reply, size_t size, uint64_t at_ns) {
    if (size < 12) return;
    unsigned id = reply[0] << 8 | reply[1];
    struct slot *slot = &path->slots[id % slots_per_path];
    if (!slot->is_busy || slot->id != id) { counts.late++; return; }
    slot->is_busy = 0;
    path->free_slots[path->free_count++] = id % slots_per_path;
    struct query *query = &queries[slot->query];
    size_t question = query->length - 12 - (has_edns ? 11 : 0);
    if (size < 12 + question || memcmp(reply + 12, blob + query->offset + 12, question))
        counts.wrong++;
    counts.received++;
    counts.octets += size;
    counts.rcodes[reply[3] & 15]++;
    counts.with_answer += (reply[6] | reply[7]) != 0;
    counts.histogram[step_of(at_ns > slot->since_ns ? at_ns - slot->since_ns : 0)]++;
}

static void receive_datagrams(struct path *path) {
    static unsigned char replies[BATCH][REPLY_MAX];
    static struct mmsghdr messages[BATCH];
    static struct iovec vectors[BATCH];
    for (int i = 0; i < BATCH && !vectors[i].iov_base; i++) {
        vectors[i] = (struct iovec){replies[i], REPLY_MAX};
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int got = recvmmsg(path->fd, messages, BATCH, MSG_DONTWAIT, 0);
    uint64_t at_ns = now_ns();
    for (int i = 0; i < got; i++) take_reply(path, replies[i], messages[i].msg_len, at_ns);
}

static void receive_stream(struct path *path) {
    ssize_t got = recv(path->fd, path->in + path->in_size, STREAM_MAX - path->in_size, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) open_again(path);
    if (got <= 0) return;
    path->in_size += got;
    size_t done = 0;
    uint64_t at_ns = now_ns();
    while (path->in_size - done >= 2) {
        size_t size = path->in[done] << 8 | path->in[done + 1];
        if (path->in_size - done < 2 + size) break;
        take_reply(path, path->in + done + 2, size, at_ns);
        done += 2 + size;
    }
    memmove(path->in, path->in + done, path->in_size -= done);
}

/* Take a free slot and write its query to `to`; return the query's length. */
static size_t prepare(struct path *path, int nth, unsigned char *to, uint64_t since_ns) {
    int number = path->free_slots[path->free_count - 1 - nth];
    struct slot *slot = &path->slots[number];
    struct query *query = &queries[next_query];
    int id = slot->id + slots_per_path;
    *slot = (struct slot){since_ns, next_query, id > 65535 ? number : id, 0};
    if (++next_query == query_count) next_query = 0;
    memcpy(to, blob + query->offset, query->length);
    to[0] = slot->id >> 8;
    to[1] = slot->id;
    return query->length;
}

static void mark_sent(struct path *path, int taken, int done) {
    for (int i = 0; i < done; i++)
        path->slots[path->free_slots[path->free_count - 1 - i]].is_busy = 1;
    path->free_count -= done;
    counts.sent += done;
    questions_left -= done;
    next_query = (next_query + query_count - (taken - done) % query_count) % query_count;
}

/* Send `count` queries; the first was due at `since_ns`, the next ones `gap_ns` after each other. */
static int send_datagrams(struct path *path, int count, uint64_t since_ns, double gap_ns) {
    static unsigned char buffer[BATCH * QUERY_MAX];
    static struct mmsghdr messages[BATCH];
    static struct iovec vectors[BATCH];
    size_t used = 0, first = queries[next_query].length;
    int taken = 0, done;
    if (count > BATCH) count = BATCH;
    if ((uint64_t)count > questions_left) count = questions_left;
    if (!count) return 0;
    for (; taken < count; taken++) {
        if (is_gso && queries[next_query].length != first) break;
        size_t size = prepare(path, taken, buffer + used, since_ns + (uint64_t)(taken * gap_ns));
        vectors[taken] = (struct iovec){buffer + used, size};
        messages[taken].msg_hdr = (struct msghdr){.msg_iov = &vectors[taken], .msg_iovlen = 1};
        used += size;
    }
    if (is_gso && taken > 1) {
        char control[CMSG_SPACE(2)] = {0};
        struct iovec whole = {buffer, used};
        struct msghdr message = {.msg_iov = &whole, .msg_iovlen = 1,
                                 .msg_control = control, .msg_controllen = sizeof control};
        struct cmsghdr *segment = CMSG_FIRSTHDR(&message);
        *segment = (struct cmsghdr){CMSG_LEN(2), IPPROTO_UDP, UDP_SEGMENT};
        *(uint16_t *)CMSG_DATA(segment) = first;
        done = sendmsg(path->fd, &message, MSG_DONTWAIT) > 0 ? taken : 0;
    } else {
        done = sendmmsg(path->fd, messages, taken, MSG_DONTWAIT);
        if (done < 0) done = 0;
    }
    mark_sent(path, taken, done);
    return done;
}

static int send_stream(struct path *path, int count, uint64_t since_ns, double gap_ns) {
    if (!path->out_size) {
        if (count > BATCH) count = BATCH;
        if ((uint64_t)count > questions_left) count = questions_left;
        for (int i = 0; i < count; i++) {
            unsigned char *to = path->out + path->out_size;
            size_t size = prepare(path, i, to + 2, since_ns + (uint64_t)(i * gap_ns));
            to[0] = size >> 8;
            to[1] = size;
            path->out_size += 2 + size;
        }
        mark_sent(path, count, count);
    } else {
        count = 0;
    }
    ssize_t done = send(path->fd, path->out + path->out_done, path->out_size - path->out_done,
                        MSG_NOSIGNAL);
    if (done > 0) path->out_done += done;
    if (path->out_done == path->out_size) path->out_done = path->out_size = 0;
    return count;
}

static void give_up_late_ones(struct path *paths, int path_count, uint64_t before_ns) {
    for (struct path *path = paths; path < paths + path_count; path++)
        for (int i = 0; i < slots_per_path; i++)
            if (path->slots[i].is_busy && path->slots[i].since_ns < before_ns) {
                path->slots[i].is_busy = 0;
                path->free_slots[path->free_count++] = i;
                counts.lost++;
            }
}

static int is_any_outstanding(struct path *paths, int path_count) {
    for (int i = 0; i < path_count; i++)
        if (paths[i].free_count < slots_per_path) return 1;
    return 0;
}

/* Ask until the time is over; return the seconds that were counted (those after the warm-up). */
static double run(struct path *paths, int path_count, double seconds, double warm_up_s,
                  double rate, uint64_t timeout_ns) {
    int (*send_some)(struct path *, int, uint64_t, double) = is_stream ? send_stream : send_datagrams;
    void (*receive)(struct path *) = is_stream ? receive_stream : receive_datagrams;
    uint64_t began_ns = now_ns(), at_ns = began_ns, counted_ns = 0, scan_ns = began_ns, all_sent = 0;
    uint64_t end_ns = began_ns + (uint64_t)((seconds + warm_up_s) * 1e9);
    int at_least = slots_per_path / 2 < 16 ? slots_per_path / 2 : 16, turn = 0;
    double gap_ns = rate ? 1e9 / rate : 0;
    int is_counted = questions_left != UINT64_MAX;
    if (is_counted) counted_ns = began_ns;
    while ((at_ns = now_ns()) < end_ns) {
        if (!questions_left && !all_asked_ns) {
            all_asked_ns = at_ns;
            replies_by_then = counts.received;
        }
        if (all_asked_ns && !is_any_outstanding(paths, path_count)) {
            all_received = counts.received;
            return (all_asked_ns - began_ns) / 1e9;
        }
        if (!is_counted && !counted_ns && at_ns >= began_ns + (uint64_t)(warm_up_s * 1e9)) {
            all_received = counts.received;
            memset(&counts, 0, sizeof counts);
            counted_ns = at_ns;
        }
        for (int i = 0; i < path_count; i++) {
            receive(&paths[i]);
            if (!rate && paths[i].free_count >= (at_least ? at_least : 1))
                send_some(&paths[i], paths[i].free_count, now_ns(), 0);
        }
        if (rate) {
            /* Small bursts over all paths in turn, as many queries would arrive. */
            uint64_t due = (uint64_t)((now_ns() - began_ns) / gap_ns) + 1;
            struct path *path = &paths[turn++ % path_count];
            uint64_t count = due > all_sent ? due - all_sent : 0;
            if (count > 8) count = 8;
            if (count > (uint64_t)path->free_count) count = path->free_count;
            if (count)
                all_sent += send_some(path, count, began_ns + (uint64_t)(all_sent * gap_ns), gap_ns);
        }
        if (at_ns >= scan_ns) {
            scan_ns = at_ns + 20000000;
            give_up_late_ones(paths, path_count, at_ns - timeout_ns);
        }
    }
    all_received += counts.received;
    return (at_ns - counted_ns) / 1e9;
}

int main(int argc, char **argv) {
    const char *address = "127.0.0.1", *file = 0;
    int port = 53, window = 160, path_count = 5, option;
    double seconds = 1, timeout_ms = 1000, warm_up_ms = 300, rate = 0;
    while ((option = getopt(argc, argv, "s:p:d:l:q:c:t:w:r:o:n:geT")) != -1) switch (option) {
        case 's': address = optarg; break;
        case 'p': port = atoi(optarg); break;
        case 'd': file = optarg; break;
        case 'l': seconds = atof(optarg); break;
        case 'q': window = atoi(optarg); break;
        case 'c': path_count = atoi(optarg); break;
        case 't': timeout_ms = atof(optarg); break;
        case 'w': warm_up_ms = atof(optarg); break;
        case 'r': rate = atof(optarg); break;
        case 'o': next_query = strtoull(optarg, 0, 10); break;
        case 'n': questions_left = strtoull(optarg, 0, 10); break;
        case 'g': is_gso = 1; break;
        case 'e': has_edns = 1; break;
        case 'T': is_stream = 1; break;
        default: return 2;
    }
    if (!file || path_count < 1 || window < path_count) { fprintf(stderr, "bad options\n"); return 2; }
    slots_per_path = window / path_count > 32768 ? 32768 : window / path_count;
    read_queries(file);
    next_query %= query_count;
    server.sin_port = htons(port);
    if (inet_pton(AF_INET, address, &server.sin_addr) != 1) { fprintf(stderr, "bad address\n"); return 2; }
    struct path *paths = calloc(path_count, sizeof *paths);
    for (int i = 0; i < path_count; i++) open_path(&paths[i]);
    double counted_s = run(paths, path_count, seconds, warm_up_ms / 1e3, rate, timeout_ms * 1e6);
    printf("{\"qps\":%.0f,\"seconds\":%.3f,\"sent\":%lu,\"received\":%lu,\"all_received\":%lu,"
           "\"lost\":%lu,\"closed\":%lu,\"cut_off\":%lu,\"late\":%lu,\"wrong\":%lu,\"noerror\":%lu,\"servfail\":%lu,"
           "\"nxdomain\":%lu,\"refused\":%lu,\"with_answer\":%lu,\"size_octets\":%.1f,"
           "\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f}\n",
           (all_asked_ns ? replies_by_then : counts.received) / counted_s, counted_s, counts.sent, counts.received, all_received,
           counts.lost, counts.closed, counts.cut_off, counts.late, counts.wrong, counts.rcodes[0], counts.rcodes[2],
           counts.rcodes[3], counts.rcodes[5], counts.with_answer,
           counts.received ? (double)counts.octets / counts.received : 0, percentile_us(.5),
           percentile_us(.9), percentile_us(.99), percentile_us(.999));
    return 0;
}
