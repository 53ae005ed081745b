module github.com/maixstream/maixstream

go 1.26
