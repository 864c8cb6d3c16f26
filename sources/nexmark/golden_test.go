package nexmark

// golden is the last row of each table among the first 60 events with seed 0.
var golden = map[string]string{
	"person":  "1001|Peter Smith|jbakxcu@etfja.com|6794 2420 1589 0005|Seattle|OR|2015-07-15 00:00:00.005|xfzfvechxkquvafnerxcwqyizfvwudmturjxnxcygiqhruiyskhmtqtewfzierrshldzqpgmmmftemibz",
	"auction": "1005|aiiqilbnyzyduogm|jkgzsshszbvvaaxhrjbptodhugnghbjogidjqeavophztgdcsaiwuvjjblpyxsmsmaaixxdajzckttdxqtnmmf|997200|9956929|2015-07-15 00:00:00.0053|2015-07-15 00:00:00.045591|1000|12|ldwahplwildoaoxgwufsmkpqbuqcboryogrcymvdzvsrhoarqzlssxblwwvglgwjhcepzowhdhbfgnmwttlzdjlbgzckeqchjbquckdxsxlbqjbjiajrfpcmdrqwvbwgjkoxxbslkfmcjrhldhgjspaaybjoiio",
	"bid":     "1003|1001|14218|channel-6469|https://www.nexmark.com/yiqzj/vfsqc/lzjzb/item.htm?query=1&channel_id=1240277905|2015-07-15 00:00:00.0059|pjktljmfeqmvmpyxzsmuswjknxkqjlamaskdqyamznjksjygggamxrqrtho",
}
