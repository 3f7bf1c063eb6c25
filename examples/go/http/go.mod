module example.com/manxue-http

go 1.19
