#include "gateway/http_request.hpp"

#include <gtest/gtest.h>

namespace ferrule::gateway {
namespace {

TEST(HttpRequest, HasPathQueryAndFields) {
  const auto request =
      parse_http_head("GET /api/v1/values?device=a%2Fb&x=1+2&y HTTP/1.1\r\nHost: gw:80\r\nCookie: a=1; b=2");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "GET");
  EXPECT_EQ(request->path, "/api/v1/values");
  EXPECT_EQ(request->parameter("device"), "a/b");
  EXPECT_EQ(request->parameter("x"), "1 2");
  EXPECT_EQ(request->parameter("y"), "");
  EXPECT_FALSE(request->parameter("z"));
  EXPECT_EQ(request->field("host"), "gw:80");
  EXPECT_EQ(request->field("accept"), "");
  EXPECT_EQ(request->cookie("b"), "2");
  EXPECT_EQ(request->cookie("c"), "");
}

TEST(HttpRequest, AParameterThatIsNotWellFormedIsNone) {
  for (const char* query : {"a=%", "a=%4", "a=%zz", "a=%+1"}) {
    const auto request = parse_http_head(std::string("GET /?") + query + " HTTP/1.1");
    ASSERT_TRUE(request);
    EXPECT_FALSE(request->parameter("a")) << query;
  }
}

TEST(HttpRequest, SaysWhatIsWrongWithAHead) {
  const std::pair<std::string, int> cases[] = {{"", 400},
                                               {"GET", 400},
                                               {"GET  HTTP/1.1", 400},
                                               {"GET nothing HTTP/1.1", 400},
                                               {"G\tET / HTTP/1.1", 400},
                                               {"GET / HTTP/1.1 ", 505},
                                               {"GET / HTTP/2.0", 505},
                                               {"GET /\x01 HTTP/1.1", 400},
                                               {"GET / HTTP/1.1\r\nno colon", 400},
                                               {"GET / HTTP/1.1\r\n: nothing", 400},
                                               {"GET / HTTP/1.1\r\nHost : x", 400},
                                               {"GET / HTTP/1.1\r\nA: b\r\n folded", 400},
                                               {"GET / HTTP/1.1\r\nA: b\nc", 400}};
  for (const auto& [head, status] : cases) {
    const auto request = parse_http_head(head);
    ASSERT_FALSE(request) << head;
    EXPECT_EQ(request.error(), status) << head;
  }
}

TEST(HttpRequest, ABodyIsAsLongAsItSaysAndNeverTooLong) {
  const auto size_of = [](const char* fields) {
    return http_body_size(*parse_http_head(std::string("POST / HTTP/1.1\r\n") + fields));
  };
  EXPECT_EQ(size_of("Host: x"), 0U);
  EXPECT_EQ(size_of("content-LENGTH: 12"), 12U);
  EXPECT_EQ(size_of("Content-Length: 65537").error(), 413);
  EXPECT_EQ(size_of("Content-Length: 99999999999999999999999").error(), 413);
  EXPECT_EQ(size_of("Transfer-Encoding: chunked").error(), 411);
  for (const char* wrong :
       {"Content-Length: ", "Content-Length: -1", "Content-Length: 1x", "Content-Length: 1\r\nContent-Length: 1"}) {
    EXPECT_EQ(size_of(wrong).error(), 400) << wrong;
  }
}

}  // namespace
}  // namespace ferrule::gateway
